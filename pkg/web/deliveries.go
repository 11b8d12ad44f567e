package web

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// row is a delivery in a list.
type row struct {
	ID            int64
	At            *instant
	Source, Kind  string
	Via, Size     string
	Verdict, Tone string
	Meaning       string // what the verdict means, one sentence or empty
	Changed       string // what it changed, a few words; empty: not known
	Spoken        string // how long until the broker had it; empty: nothing was said, or not known
	Replays       int64
}

func (c clock) row(d event.Delivery, titles map[string]string) row {
	r := row{
		ID: d.ID, At: c.at(d.Received), Source: cmp.Or(titles[d.Source], printable(d.Source)), Kind: printable(d.Kind), Via: via(d.Via),
		Size: size(max(d.Size, len(d.Body))), Replays: d.Replays, Changed: changed(d),
	}
	r.Verdict, r.Tone, r.Meaning = verdict(d.Verdict)
	if d.Unconfirmed {
		r.Meaning = r.Source + "'s cloud did not show it within two minutes. Until it does, this switches nothing."
	}
	if !d.Spoken.IsZero() && !d.Spoken.Before(d.Received) {
		r.Spoken = precisely(d.Spoken.Sub(d.Received))
	}
	return r
}

func changed(d event.Delivery) string {
	switch {
	case d.Unconfirmed:
		return "unconfirmed"
	case d.News > 1:
		return strconv.Itoa(d.News) + " new events"
	case d.News == 1:
		return "1 new event"
	case d.Verdict == event.Duplicate:
		return "nothing new"
	}
	return ""
}

func via(v string) string {
	switch v {
	case event.ViaHTTP:
		return "webhook"
	case event.ViaMQTT:
		return "through Home Assistant"
	case event.ViaPoll:
		return "poll"
	case event.ViaCommand:
		return "command"
	case event.ViaReplay:
		return "replay"
	}
	return printable(v)
}

func verdict(v string) (label, tone, meaning string) {
	switch v {
	case event.Accepted:
		return v, "good", ""
	case event.Duplicate:
		return v, "calm", "Nothing in it was new."
	case event.Unread:
		return v, "warn", "It is authentic, but could not be read. It is kept as it came."
	}
	return printable(v), "calm", ""
}

type refusal struct {
	Source, Verdict string
	Count           int
}

func refusals(p Page) []refusal {
	var out []refusal
	titles := titles(p)
	for _, key := range slices.Sorted(maps.Keys(p.Refused)) {
		source, why, _ := strings.Cut(key, "/")
		out = append(out, refusal{cmp.Or(titles[source], printable(source)), printable(why), p.Refused[key]})
	}
	return out
}

// arrivals is the page of deliveries.
type arrivals struct {
	*frame
	Rows         []row
	Asked        asked
	Sources      []choice
	Verdicts     []choice
	Vias         []choice
	Newer, Older string // addresses; empty: there are none
	Newest       int64
	Fresh        bool   // there are newer ones than the page was made with
	Trouble      string // why there is no list, one sentence
	Refused      []refusal
	Replays      bool
}

// asked is the form as it was filled in.
type asked struct {
	Source, Verdict, Via, Text, Since, Until string
	Any                                      bool // something is asked for
	More                                     bool // … but for the text
}

type choice struct {
	Value, Label string
	Chosen       bool
	Count        int
}

const timeForm = "2006-01-02T15:04"

// filter reads the form. What cannot be read is left out.
func (c clock) filter(q url.Values) (f Filter, a asked) {
	a = asked{Source: q.Get("source"), Verdict: q.Get("verdict"), Via: q.Get("via"), Text: strings.TrimSpace(q.Get("text"))}
	if len(a.Text) > 200 {
		a.Text = string(completeRunes([]byte(a.Text[:200])))
	}
	f = Filter{Source: a.Source, Verdict: a.Verdict, Via: a.Via, Text: a.Text}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		t, err := time.ParseInLocation(timeForm, q.Get(name), c.now.Location())
		if err != nil || t.Year() < 1970 || t.Year() > 9999 {
			continue
		}
		*at = t
		if name == "since" {
			a.Since = t.Format(timeForm)
		} else {
			a.Until = t.Format(timeForm)
		}
	}
	f.Before, f.After = positive(q.Get("before")), positive(q.Get("after"))
	a.More = a.Source+a.Verdict+a.Via+a.Since+a.Until != ""
	a.Any = a.More || a.Text != ""
	return f, a
}

// positive is zero for what is none.
func positive(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return max(0, n)
}

// query is the form as an address carries it.
func (a asked) query() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{"source": a.Source, "verdict": a.Verdict, "via": a.Via, "text": a.Text, "since": a.Since, "until": a.Until} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// deliveries makes the page of what arrived.
func (s *Server) deliveries(ctx context.Context, p Page, q url.Values) sheet {
	f := s.newFrame(p, q)
	f.Here, f.Title = "deliveries", "Deliveries"
	filter, a := f.clock.filter(q)
	m := &arrivals{frame: f, Asked: a, Refused: refusals(p), Replays: s.Records.Replay != nil}
	sh := sheet{file: "deliveries.html", model: m, frame: f, parts: []string{"broker", "fresh"}}
	if len(p.Deliveries) > 0 {
		m.Newest = p.Deliveries[0].ID
	}
	if newest := positive(q.Get("newest")); q.Get("of") != "" {
		m.Fresh = newest < m.Newest
		return sh
	}
	sh.live = url.Values{"of": {"deliveries"}, "newest": {strconv.FormatInt(m.Newest, 10)}}
	if s.Records.List == nil {
		m.Trouble = "Nothing is kept here."
		return sh
	}
	list, err := s.Records.List(ctx, filter)
	if err != nil {
		m.Trouble, sh.status = printable(err.Error()), http.StatusServiceUnavailable
	}
	titles := titles(p)
	for _, d := range list.Deliveries {
		m.Rows = append(m.Rows, f.clock.row(d, titles))
	}
	if n := len(m.Rows); n > 0 {
		m.Newer, m.Older = a.page("after", m.Rows[0].ID, list.Newer), a.page("before", m.Rows[n-1].ID, list.Older)
	}
	m.choices(ctx, s, p)
	return sh
}

func (a asked) page(name string, id int64, there bool) string {
	if !there {
		return ""
	}
	q := a.query()
	q.Set(name, strconv.FormatInt(id, 10))
	return "deliveries?" + q.Encode()
}

// choices fills the form's lists with what there is.
func (m *arrivals) choices(ctx context.Context, s *Server, p Page) {
	bySource, byVerdict := map[string]int{}, map[string]int{}
	if s.Records.Counts != nil {
		counts, _ := s.Records.Counts(ctx) // without them the lists stand without numbers
		for _, c := range counts {
			bySource[c.Source] += c.N
			byVerdict[c.Verdict] += c.N
		}
	}
	for _, src := range p.Sources {
		if _, ok := bySource[src.Name]; !ok && src.On {
			bySource[src.Name] = 0
		}
	}
	titles := titles(p)
	for _, name := range with(bySource, m.Asked.Source) {
		m.Sources = append(m.Sources, choice{Value: name, Label: cmp.Or(titles[name], printable(name)), Chosen: name == m.Asked.Source, Count: bySource[name]})
	}
	for _, v := range []string{event.Accepted, event.Duplicate, event.Unread} {
		byVerdict[v] += 0
	}
	for _, v := range with(byVerdict, m.Asked.Verdict) {
		m.Verdicts = append(m.Verdicts, choice{Value: v, Label: printable(v), Chosen: v == m.Asked.Verdict, Count: byVerdict[v]})
	}
	for _, v := range []string{event.ViaHTTP, event.ViaMQTT, event.ViaPoll, event.ViaCommand, event.ViaReplay} {
		m.Vias = append(m.Vias, choice{Value: v, Label: via(v), Chosen: v == m.Asked.Via})
	}
}

// with are the keys, and what was asked for even where there is none.
func with(counts map[string]int, asked string) []string {
	keys := slices.Sorted(maps.Keys(counts))
	if asked != "" && !slices.Contains(keys, asked) {
		keys = append(keys, asked)
	}
	return keys
}
