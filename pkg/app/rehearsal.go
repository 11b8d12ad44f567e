package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// The stages of a rehearsal on its way to Home Assistant.
const (
	stageTold = iota
	stageStored
	stageKnown
	stageSent
	stageTaken
	stageThere
	stages
)

// shownAfter is how long a rehearsal that is over is still shown.
const shownAfter = 10 * time.Minute

// rehearsals follows the newest rehearsal on its way.
type rehearsals struct {
	mu     sync.Mutex
	newest *rehearsed
}

// rehearsed is how far one got.
type rehearsed struct {
	source     string
	key        string // of its event
	place      homeassistant.Place
	began, end time.Time
	at         [stages]time.Time // zero: not yet
	note       [stages]string    // why not yet
}

// Rehearse begins a rehearsal of a source, sets the length of the running one
// anew, or with zero minutes ends it. A subject is the place of the device that
// is to play it; empty: the source chooses. The error is one sentence.
func (a *App) Rehearse(ctx context.Context, name, subject string, minutes int) error {
	at := slices.IndexFunc(a.sources, func(s source) bool { return s.name == name })
	switch {
	case at < 0:
		return errors.New("that source is not on")
	case a.sources[at].stage == nil:
		return fmt.Errorf("there is nothing to rehearse of %s", a.sources[at].title)
	case minutes < 0 || minutes > 240:
		return errors.New("a rehearsal takes 1 to 240 whole minutes; 0 ends it")
	}
	v := a.house.view().Source(name)
	on := a.sources[at].stage(v)
	for _, d := range v.Devices.All() {
		if subject != "" && d.Subject == subject {
			on = d
		}
	}
	now := a.clock.Now()
	e := event.Event{
		Source: name, Key: "rehearsal/" + strconv.FormatInt(now.UnixNano(), 10), By: event.Rehearsal, At: now, Seen: now,
		Window: &event.Window{Start: now, End: now.Add(time.Duration(minutes) * time.Minute), Running: minutes > 0},
	}
	place := homeassistant.Place{Source: name}
	if on != nil {
		e.Subject, place.Subject = on.ID, on.Subject
	}
	a.rehearsals.begin(e, place, v.Rehearsal)
	d := event.Delivery{Received: now, Source: name, Kind: "rehearse", Via: event.ViaCommand, Body: []byte(strconv.Itoa(minutes))}
	if _, err := a.append(ctx, d, []event.Event{e}); err != nil {
		a.rehearsals.wait(e.Key, stageStored, sentence(err.Error()))
		a.house.tell(e) // a rehearsal is worth having without a disk, too
		a.publisher.Wake()
		return nil
	}
	a.rehearsals.reach(e.Key, stageStored, a.clock.Now())
	return nil
}

// minutesOf reads a rehearsal's length; what is none is five.
func minutesOf(payload string) int {
	n, err := strconv.Atoi(strings.TrimSpace(payload))
	if err != nil || n < 0 || n > 240 {
		return 5
	}
	return n
}

// begin follows another rehearsal; one that goes on stays as it is.
func (r *rehearsals) begin(e event.Event, place homeassistant.Place, running *state.Rehearsal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch n := r.newest; {
	case running != nil && n != nil && n.source == e.Source:
		n.end = e.Window.End
	case running != nil || !e.Window.End.After(e.Window.Start):
	default:
		r.newest = &rehearsed{source: e.Source, key: e.Key, place: place, began: e.At, end: e.Window.End}
		r.newest.at[stageTold] = e.At
	}
}

// reach notes when a rehearsal reached a stage, and returns it if it is news.
func (r *rehearsals) reach(key string, stage int, at time.Time) *rehearsed {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.newest
	if n == nil || n.key != key || !n.at[stage].IsZero() {
		return nil
	}
	n.at[stage], n.note[stage] = at, ""
	copied := *n
	return &copied
}

// wait notes why a rehearsal has not reached a stage yet.
func (r *rehearsals) wait(key string, stage int, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.newest; n != nil && n.key == key {
		n.note[stage] = why
	}
}

// opening returns the key of the rehearsal whose beginning a moment tells.
func (r *rehearsals) opening(id string) (key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.newest; n != nil && strings.HasPrefix(id, n.source+"-rehearsal-") && strings.HasSuffix(id, "-started") {
		return n.key
	}
	return ""
}

// mark keeps what became of a moment, and follows a rehearsal's.
func (a *App) mark(id string, s state.Said, at time.Time) {
	a.house.mark(id, s, at)
	key := a.rehearsals.opening(id)
	switch {
	case key == "":
	case s == state.Sent:
		a.rehearsals.reach(key, stageSent, at)
	case s == state.AtRest:
		if r := a.rehearsals.reach(key, stageTaken, at); r != nil {
			go a.echo(*r) // the publisher's loop, which is here, answers it
		}
	}
}

// echo looks whether Home Assistant has what a rehearsal shows: the broker
// gives it back, and Home Assistant listens there.
func (a *App) echo(r rehearsed) {
	ctx, cancel := context.WithTimeout(context.Background(), inspectWithin)
	defer cancel()
	err := a.publisher.ReadBack(ctx, r.place)
	switch {
	case err != nil:
		a.rehearsals.wait(r.key, stageThere, sentence(err.Error()))
	case !a.publisher.Health().Born:
		a.rehearsals.wait(r.key, stageThere, "The broker gives it back; Home Assistant has not been heard there yet.")
	default:
		a.rehearsals.reach(r.key, stageThere, a.clock.Now())
	}
	a.web.Changed()
}

// rehearsal is what the page shows: the newest rehearsal, or another that runs.
func (a *App) rehearsal(v state.View) *web.Rehearsal {
	a.rehearsals.mu.Lock()
	defer a.rehearsals.mu.Unlock()
	if n := a.rehearsals.newest; n != nil {
		running := v.Source(n.source).Rehearsal
		end := n.end
		if running != nil {
			end = running.End
		}
		if running != nil || v.At.Before(end.Add(shownAfter)) {
			w := &web.Rehearsal{Source: n.source, Title: a.titleOf(n.source), Began: n.began, End: end, Running: running != nil}
			for i, title := range stageTitles() {
				w.Stages = append(w.Stages, web.Stage{Title: title, At: n.at[i], Note: n.note[i]})
			}
			a.explain(w, n)
			return w
		}
	}
	for _, s := range v.Sources {
		if r := s.Rehearsal; r != nil { // from before a restart
			return &web.Rehearsal{Source: s.Name, Title: a.titleOf(s.Name), Began: r.Start, End: r.End, Running: true}
		}
	}
	return nil
}

func stageTitles() [stages]string {
	return [stages]string{
		stageTold: "It was told", stageStored: "It is on the disk", stageKnown: "It is part of what is true",
		stageSent: "It was sent", stageTaken: "The broker has it", stageThere: "Home Assistant has it",
	}
}

// explain says why what is not sent waits.
func (a *App) explain(w *web.Rehearsal, n *rehearsed) {
	if n.at[stageKnown].IsZero() || !n.at[stageSent].IsZero() {
		return
	}
	switch h := a.publisher.Health(); {
	case h.Trouble != "":
		w.Stages[stageSent].Note = "It waits for the MQTT broker."
	case h.Gone:
		w.Stages[stageSent].Note = "It waits for Home Assistant, which said goodbye."
	case h.Born:
		w.Stages[stageSent].Note = "It waits until Home Assistant surely listens, half a minute at most."
	}
}

func (a *App) titleOf(source string) string {
	for _, s := range a.table {
		if s.name == source {
			return s.title
		}
	}
	return source
}
