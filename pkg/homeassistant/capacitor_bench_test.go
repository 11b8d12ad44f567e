package homeassistant

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// park is that many chargers of two connectors, each of which charges.
type park struct {
	fold *state.Fold
	now  time.Time
	seq  int64
	size int
	wh   int
}

func openPark(size int) *park {
	p := &park{now: now, size: size, fold: state.New(state.Rules{
		Zone: time.UTC, Since: now, Capacitor: &state.CapacitorRules{Asks: true, Interval: 30 * time.Minute},
		Subject: func(_, id, plain string) string {
			if plain != "" {
				return plain
			}
			return Slug(id)
		},
	}, 0)}
	p.fold.Loaded()
	for i := range size {
		p.hear("charger.boot", i, 0, `,"vendor":"ABB","model":"Terra AC","firmwareVersion":"1.6.0"`, nil)
		for n := 1; n <= 2; n++ {
			p.hear("connector.status_changed", i, n, `,"status":"Charging","errorCode":"NoError"`, func(e *event.Event) { e.Status = &event.Status{State: "Charging"} })
			p.hear("transaction.started", i, n, p.number(i, n)+`,"meterStart":0`, func(e *event.Event) { e.Session = &event.Session{Start: e.At} })
		}
	}
	p.said()
	return p
}

func (p *park) number(i, n int) string { return `,"transactionId":"` + strconv.Itoa(10*i+n) + `"` }

func (p *park) hear(name string, i, n int, more string, shape func(*event.Event)) {
	p.seq++
	p.now = p.now.Add(time.Millisecond)
	connector := ""
	if n > 0 {
		connector = fmt.Sprintf(`,"connectorId":%d`, n)
	}
	e := event.Event{
		Seq: p.seq, Source: "capacitor", Key: strconv.FormatInt(p.seq, 16), By: event.Webhook, At: p.now, Seen: p.now,
		Data: json.RawMessage(fmt.Sprintf(`{"event":%q,"chargeBoxId":"CHARGER-%04d"%s%s}`, name, i, connector, more)),
	}
	if shape == nil {
		e.Notice = &event.Notice{Code: name}
	} else {
		shape(&e)
	}
	p.fold.Apply(e)
}

// said marks what is due as at rest.
func (p *park) said() state.View {
	v := p.fold.View(p.now)
	for _, m := range v.Due() {
		p.fold.Mark(m.ID, state.Sent)
		p.fold.Mark(m.ID, state.AtRest)
	}
	return v
}

// update is a webhook that tells of more energy.
func (p *park) update() {
	p.wh++
	i := p.wh % p.size
	p.hear("transaction.updated", i, 1, p.number(i, 1)+`,"meter":`+strconv.Itoa(p.wh), func(e *event.Event) { e.Session = &event.Session{} })
}

// BenchmarkChargers is one webhook from the journal to what is said of it,
// among so many chargers, all of which charge.
func BenchmarkChargers(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			park := openPark(size)
			was := park.said().Source("capacitor").Devices
			messages := 0
			b.ReportAllocs()
			for b.Loop() {
				park.update()
				v := park.said()
				devices := v.Source("capacitor").Devices
				for _, d := range devices.Other(was) {
					messages += len(plainNames.stateOf(d).Payload)
				}
				for _, m := range v.Due() {
					messages += len(moment(m, park.now))
				}
				was = devices
			}
			if messages == 0 {
				b.Error("nothing is said")
			}
		})
	}
}

// BenchmarkAnnounceChargers is every document and state of a thousand chargers
// with two connectors each.
func BenchmarkAnnounceChargers(b *testing.B) {
	v := openPark(1000).said()
	b.ReportAllocs()
	for b.Loop() {
		plainNames.Documents(v, about)
		plainNames.States(v, Bridge{}, about)
	}
}

// BenchmarkMemoryOfChargers tells the bytes that a thousand chargers with two
// connectors each take.
func BenchmarkMemoryOfChargers(b *testing.B) {
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := used()
		park := openPark(1000)
		b.ReportMetric(float64(used()-before)/(1<<20), "MiB")
		runtime.KeepAlive(park)
	}
}
