package app

import (
	"context"
	"errors"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// pageOf is how many deliveries are on one page.
const pageOf = 50

// records is what the page can look up of the past, and do with it.
func (a *App) records() web.Records {
	return web.Records{List: a.list, Counts: a.kept, Open: a.opened, Sample: a.sampled, Replay: a.Replay, Lines: a.lines.newest, Bundle: a.Bundle}
}

var errGone = errors.New("there is no such delivery, or it is older than the retention")

// list returns a page of deliveries. One row more than fits tells whether there
// are more.
func (a *App) list(ctx context.Context, f web.Filter) (web.List, error) {
	found, err := a.journal.Deliveries(ctx, journal.Query{
		Before: f.Before, After: f.After, Limit: pageOf + 1, Source: f.Source, Verdict: f.Verdict, Via: f.Via,
		Since: f.Since, Until: f.Until, Text: f.Text,
	})
	a.doubt(found)
	more := len(found) > pageOf
	switch {
	case f.After > 0 && more:
		found = found[1:]
	case more:
		found = found[:pageOf]
	}
	if f.After > 0 {
		return web.List{Deliveries: found, Newer: more, Older: true}, err
	}
	return web.List{Deliveries: found, Newer: f.Before > 0, Older: more}, err
}

// doubt marks the webhooks of which it was said that the API did not confirm them.
func (a *App) doubt(list []event.Delivery) {
	for i, d := range list {
		if d.Source == "equiwatt" && d.Kind == "started" && (d.Via == event.ViaHTTP || d.Via == event.ViaMQTT) {
			said, _ := a.journal.Moment(state.UnconfirmedID(d.Received)) // an error: not known
			list[i].Unconfirmed = said != journal.None
		}
	}
}

func (a *App) kept(ctx context.Context) ([]web.Count, error) {
	counts, err := a.journal.Counts(ctx)
	list := make([]web.Count, 0, len(counts))
	for _, c := range counts {
		list = append(list, web.Count{Source: c.Source, Verdict: c.Verdict, N: int(c.N)})
	}
	return list, err
}

func (a *App) opened(ctx context.Context, id int64) (web.Opened, error) {
	d, events, err := a.journal.Delivery(ctx, id)
	if errors.Is(err, journal.ErrNoDelivery) {
		return web.Opened{}, errGone
	}
	one := []event.Delivery{d}
	a.doubt(one)
	o := web.Opened{Delivery: one[0], Events: events, Replayable: a.decoder(d) != nil}
	o.Body, o.Query = []byte(a.scrub(string(veiled(d.Body)))), a.scrub(veiledQuery(d.Query))
	if err == nil && len(events) > 0 {
		o.Said, err = a.journal.Tellings(ctx, events[0].Seq, events[len(events)-1].Seq)
	}
	return o, err
}
