package homeassistant

import (
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// topics are the retained ones of some devices.
func (p *Publisher) topics(devices []*state.Device) (list []string) {
	for _, d := range devices {
		list = append(list, p.Names.Document(d.Source, d.Subject))
	}
	for _, d := range devices {
		list = append(list, p.Names.State(d.Source, d.Subject))
	}
	return list
}

// own remembers our retained topics before they are made, and clears those of
// devices that are gone: the documents first and the rest when it is called
// again, for a state that goes before Home Assistant has taken the device away
// makes it complain of every entity.
func (p *Publisher) own(topics []string) {
	ours := map[string]bool{}
	for _, t := range topics {
		ours[t] = true
	}
	owned := p.owned()
	gone := slices.DeleteFunc(slices.Clone(owned), func(t string) bool { return ours[t] })
	slices.SortStableFunc(gone, func(a, b string) int { return rank(a) - rank(b) })
	p.setOwned(owned, append(topics, gone...))
	if rest := slices.IndexFunc(gone, func(t string) bool { return rank(t) > 0 }); rest > 0 {
		gone = gone[:rest]
	}
	for _, t := range gone {
		p.follow(pending{token: p.client.Publish(t, 1, true, []byte{}), topic: t, clears: true})
	}
}

// owned are the retained topics of ours; a topic may contain blanks.
func (p *Publisher) owned() []string {
	text, _ := p.Memory.Get("owned")
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

func (p *Publisher) setOwned(old, topics []string) {
	if !slices.Equal(old, topics) {
		p.Memory.Set("owned", strings.Join(topics, "\n"))
	}
}

func rank(topic string) int {
	switch {
	case strings.HasSuffix(topic, "/config"):
		return 0
	case strings.HasSuffix(topic, "/status"):
		return 2
	}
	return 1
}
