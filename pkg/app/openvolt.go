package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/openvolt"
)

func (c Config) openvolt() source {
	s := source{
		name: "openvolt", title: "Openvolt", on: c.Openvolt.On(),
		hooks:  intake.Source{Name: "openvolt", Limit: 1 << 20, Decode: openvolt.Decode},
		byHand: "Openvolt's webhooks are set up in its dashboard, under Event Subscriptions.",
	}
	client := c.Openvolt.Client()
	if client == nil {
		return s
	}
	client.HTTP = &http.Client{}
	const gap = 1100 * time.Millisecond // one call a second
	m := &metering{client: *client, refused: map[string]refusal{}, failed: map[string]bool{}}
	s.command = m.command
	s.poll = &polled{
		interval: time.Minute,
		slowest:  15 * time.Minute, // its data are of yesterday
		limit:    intake.Limit{Gap: gap, Span: gap, Most: 1, Pace: gap},
		next:     m.next, ask: m.ask,
	}
	return s
}

// openvoltRules are what the state has to know; nil: the source is off.
func (c Config) openvoltRules() *state.OpenvoltRules {
	if !c.Openvolt.On() {
		return nil
	}
	return &state.OpenvoltRules{Asks: c.Openvolt.Client() != nil}
}

// metering asks Openvolt's API as the plan says, and keeps the half hours. Its
// methods but command are for the poller alone.
type metering struct {
	client openvolt.Client
	once   sync.Once // looks whether labels still mean what they meant

	listed  time.Time          // the newest good list of meters; zero: none that counts
	refused map[string]refusal // meters that are refused, while others are not
	failed  map[string]bool    // meters whose newest answer made no sense

	asks *state.OpenvoltAsks // what the plan was last made of; nil: it has to be made anew
	due  time.Time           // … and when it has something to ask
	made time.Time           // … and when that was
}

// refusal is how often in a row a meter was refused, and when last.
type refusal struct {
	n  int
	at time.Time
}

// next returns when there is something to ask. The plan is looked at anew where
// something was said or asked, and every hour.
func (m *metering) next(a *App, _ time.Time) time.Time {
	m.once.Do(func() { m.relabel(a) })
	asks, _ := a.house.view().Source("openvolt").Asks.(*state.OpenvoltAsks)
	now := a.clock.Now()
	if asks == nil || asks != m.asks || now.Sub(m.made).Abs() > time.Hour {
		_, m.due = m.plan(a, asks, now)
		m.asks, m.made = asks, now
	}
	if m.due.IsZero() {
		return m.due
	}
	return time.Now().Add(m.due.Sub(now))
}

// relabel forgets all half hours where the household has found out that their
// labels mean the other end; they are asked for again.
func (m *metering) relabel(a *App) {
	const key = "openvolt.label_offset"
	offset := m.client.LabelOffset.String()
	if was, ok := a.journal.Setting(key); ok && was != offset {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := a.journal.ForgetIntervals(ctx, "openvolt"); err != nil {
			a.log.Warn().Str("source", "openvolt").Err(err).Msg("the half hours with the other label could not be forgotten")
			return
		}
	}
	a.journal.SetSoon(key, offset)
}

// plan decides the next question from what is known of each meter.
func (m *metering) plan(a *App, asks *state.OpenvoltAsks, now time.Time) (openvolt.Question, time.Time) {
	known := openvolt.Known{Listed: m.listed}
	if asks != nil {
		known.Spoken = asks.Spoken
		for _, meter := range asks.Meters {
			r := m.refused[meter.ID]
			p := openvolt.Past{
				ID: meter.ID, End: meter.End, Told: meter.Told, Fresh: meter.Fresh,
				Refused: r.n, RefusedAt: r.at, Failed: m.failed[meter.ID],
			}
			days, err := a.journal.Days(context.Background(), "openvolt", meter.ID, openvolt.Oldest(now))
			if err != nil {
				return openvolt.Question{}, now.Add(time.Minute) // the journal says why
			}
			for _, d := range days {
				p.Days = append(p.Days, openvolt.Day(d))
			}
			known.Meters = append(known.Meters, p)
		}
	}
	return openvolt.Next(known, now)
}

// ask asks what the plan says, if it is time.
func (m *metering) ask(ctx context.Context, a *App, wait func(context.Context) error) (event.Answer, error) {
	asks, _ := a.house.view().Source("openvolt").Asks.(*state.OpenvoltAsks)
	now := a.clock.Now()
	q, at := m.plan(a, asks, now)
	if at.IsZero() || at.After(now) {
		return event.Answer{}, nil
	}
	m.asks = nil
	client := m.client
	client.Now, client.Agent = a.clock.Now, a.agent()
	var begun time.Time // what is told while an answer is on its way is newer than that
	client.Wait = func(ctx context.Context) error {
		err := wait(ctx)
		begun = a.clock.Now()
		return err
	}
	if q.Meter == "" {
		return m.list(ctx, a, client, &begun, asks)
	}
	answer, err := m.read(ctx, a, client, &begun, q)
	var r *event.Refusal
	switch {
	case err == nil:
		delete(m.refused, q.Meter)
		delete(m.failed, q.Meter)
	case errors.As(err, &r) && r.Status >= 400 && r.Status < 500 && r.Status != http.StatusRequestTimeout && r.Status != http.StatusTooManyRequests:
		// Whether it is the meter or the key, the list will tell.
		m.refused[q.Meter] = refusal{m.refused[q.Meter].n + 1, begun}
		m.listed = time.Time{}
		why := r.Reason
		if r.Unauthorized {
			why = "its consent may have ended. Whether it is the API key shows next."
		}
		id := []rune(q.Meter) // of which its device's name has the end
		a.log.Warn().Str("source", "openvolt").Str("meter", "…"+string(id[max(0, len(id)-6):])).Int("status", r.Status).Msg("a meter is refused: " + why)
		return event.Answer{Received: begun}, nil
	case errors.As(err, &r) && r.Status != 0 && r.Status != http.StatusTooManyRequests:
		m.failed[q.Meter] = true
	}
	return answer, err
}

// list asks which meters there are. One that is not listed has no status.
func (m *metering) list(ctx context.Context, a *App, client openvolt.Client, begun *time.Time, asks *state.OpenvoltAsks) (event.Answer, error) {
	meters, err := client.Meters(ctx)
	if err != nil {
		return event.Answer{}, err
	}
	m.listed = *begun
	if asks != nil {
		for _, known := range asks.Meters {
			if !slices.ContainsFunc(meters.List, func(l openvolt.Meter) bool { return l.ID == known.ID }) {
				meters.List = append(meters.List, openvolt.Meter{ID: known.ID})
			}
		}
	}
	answer := event.Answer{Received: a.clock.Now(), Date: meters.Date}
	for _, meter := range meters.List {
		summary, err := a.summary(ctx, meter.ID)
		if err != nil {
			return answer, err
		}
		answer.Events = append(answer.Events, meter.Event(answer.Received), summary.Event(meter.ID, answer.Received))
	}
	return answer, nil
}

// read asks for half hours and stores them. The answer itself is not kept: it
// says no more than they do, and whose they are.
func (m *metering) read(ctx context.Context, a *App, client openvolt.Client, begun *time.Time, q openvolt.Question) (event.Answer, error) {
	to := q.To
	if now := a.clock.Now().Truncate(openvolt.HalfHour); now.Before(to) {
		to = now
	}
	if first := q.From.Add(openvolt.HalfHour); to.Before(first) {
		to = first
	}
	readings, err := client.Readings(ctx, q.Meter, q.From, to)
	if err != nil {
		return event.Answer{}, err
	}
	s := journal.Series{Source: "openvolt", Subject: q.Meter, From: q.From, To: q.To, At: *begun}
	for _, r := range readings.List {
		s.Intervals = append(s.Intervals, journal.Interval(r))
	}
	changed, err := a.journal.StoreIntervals(ctx, s)
	if err != nil {
		return event.Answer{}, err
	}
	if changed > 0 || readings.Unread > 0 {
		a.log.Info().Str("source", "openvolt").Int64("new", changed).Int("unreadable", readings.Unread).Msg("half hours received")
	}
	summary, err := a.summary(ctx, q.Meter)
	answer := event.Answer{Received: a.clock.Now(), Date: readings.Date}
	answer.Events = []event.Event{summary.Event(q.Meter, answer.Received)}
	return answer, err
}

// summary is what is known of a meter's half hours as a whole.
func (a *App) summary(ctx context.Context, meter string) (openvolt.Summary, error) {
	e, err := a.journal.Extent(ctx, "openvolt", meter, a.zone())
	s := openvolt.Summary{First: e.First, End: e.End, Gaps: e.Gaps, WattHours: e.WattHours}
	if !e.LastDay.IsZero() {
		s.LastDay = e.LastDay.Format(time.DateOnly)
	}
	return s, err
}

// command carries out "refresh", which asks for what is new, and "refetch",
// which asks again for what a meter used in a time; others are unknown.
func (m *metering) command(ctx context.Context, a *App, s source, subject, command, payload string) {
	now := a.clock.Now()
	e := event.Event{
		Source: "openvolt", Key: command + "/" + strconv.FormatInt(now.UnixNano(), 10), By: event.Self, At: now, Seen: now,
		Notice: &event.Notice{Code: command},
	}
	switch command {
	case "refresh":
	case "refetch":
		ranges := []openvolt.Range{}
		from, to := asked(payload, now)
		for _, d := range a.house.view().Source("openvolt").Devices.All() {
			if d.ID != "" && (subject == "" || d.Subject == subject) {
				ranges = append(ranges, openvolt.Range{Meter: d.ID, Start: from, End: to})
			}
		}
		if len(ranges) == 0 {
			return
		}
		e.Data = encode(map[string]any{"ranges": ranges})
	default:
		return
	}
	d := event.Delivery{Received: now, Source: "openvolt", Kind: command, Via: event.ViaCommand, Body: []byte(payload)}
	if _, err := a.append(ctx, d, []event.Event{e}); err != nil {
		a.house.tell(e)
		a.publisher.Wake()
	}
	s.poll.poller.AskNow()
}

// asked reads {"from": …, "to": …}, dates or date-times with their offset, a
// date's whole day included; anything else is the last three days.
func asked(payload string, now time.Time) (from, to time.Time) {
	var says struct{ From, To string }
	_ = json.Unmarshal([]byte(payload), &says) // what cannot be read names no time
	read := func(text string, whole time.Duration) time.Time {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t.UTC()
		}
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t.Add(whole)
		}
		return time.Time{}
	}
	if from, to = read(says.From, 0), read(says.To, 24*time.Hour); from.Year() < 2000 || !to.After(from) || to.Year() > 2200 {
		return now.AddDate(0, 0, -3), now
	}
	return from, to
}
