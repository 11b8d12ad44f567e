package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// phases are where the equivent of a home is when the trouble comes. Each home has one equivent in every trouble, but for the
// idle one; all homes have the same trouble at the same time.
var phases = []string{"idle", "before", "begins", "during", "ends", "after"}

// street is homes, by phase.
type street map[string]*home

func (h *house) street(t *testing.T, prefix string) street {
	t.Helper()
	s := street{}
	for _, p := range phases {
		s[p] = h.settleIn(t, prefix+"_"+p, nil)
		s[p].open(t)
	}
	for _, m := range s {
		m.becomes(t, m.equivent(), "off")
		m.listen(t, "started", "ended")
	}
	return s
}

func (s street) start(t *testing.T) {
	t.Helper()
	for _, m := range s {
		must(t, m.app.Start(limit(t, patience)))
	}
}

func (s street) stop(t *testing.T) {
	t.Helper()
	for _, m := range s {
		must(t, m.app.Stop())
	}
}

func (s street) each(f func(*home)) {
	var all sync.WaitGroup
	for _, m := range s {
		all.Go(func() { f(m) })
	}
	all.Wait()
}

// trouble is what goes away and comes back.
type trouble struct {
	name  string
	gone  bool // we, or the broker, and not Home Assistant itself: it must say so
	down  func()
	up    func() // returns when the last one is up
	heard func() // Home Assistant listens again, and will hear what is said from now on
}

// restarts is every trouble in every phase.
func restarts(t *testing.T, m *home) {
	h := m.house
	one := h.street(t, "term")
	var rows []string
	mark := 0
	birth := func() { h.birth(t, mark) }
	noted := func(f func()) func() {
		return func() { mark = h.mark(t); f() }
	}
	startHass := func() { must(t, h.hass.Start(limit(t, 3*time.Minute))) }
	startBroker := func() {
		must(t, h.broker.Start(limit(t, patience)))
		must(t, h.air.Connected(limit(t, patience)))
	}
	for _, x := range []trouble{
		{"Home Assistant", false, noted(func() {
			m.enable(t, m.entity("sensor", "last_duration"))
			must(t, h.hass.Stop())
		}), startHass, func() { one.answer(t, mark) }},
		{"broker that forgets", true, noted(func() { h.broker.Kill(); h.broker.Persist = true }), startBroker, birth},
		{"broker that remembers", true, noted(func() { must(t, h.broker.Stop()) }), startBroker, birth},
	} {
		rows = append(rows, one.suffer(t, h, x)...)
	}
	two := h.street(t, "kill")
	both := street{}
	for p := range one {
		both["SIGTERM "+p], both["kill -9 "+p] = one[p], two[p]
	}
	rows = append(rows, both.suffer(t, h, trouble{"app", true, func() {
		one.stop(t)
		for _, m := range two {
			m.app.Kill()
		}
	}, func() { both.start(t) }, func() {}})...)
	two.stop(t)
	rows = append(rows, one.suffer(t, h, trouble{"all three", false, noted(func() {
		must(t, h.hass.Stop())
		h.broker.Kill()
		h.broker.Persist = false
		for _, m := range one {
			m.app.Kill()
		}
	}), func() {
		startBroker()
		startHass()
		one.start(t) // last: moments wait 30 s for a birth, and on a busy machine Home Assistant may need longer to come up
	}, birth})...)
	t.Logf("restarts:\n%-24s %-16s %-10s %8s %8s\n%s", "trouble", "phase", "right in", "started", "ended", strings.Join(rows, "\n"))
	for _, m := range both {
		m.momentsOnce(t)
	}
	one.stop(t)
}

// suffer is one equivent in every home, and the trouble in its phase. It returns the rows of the table.
func (s street) suffer(t *testing.T, h *house, x trouble) (rows []string) {
	t.Helper()
	phase := func(name string) (some street) {
		some = maps.Clone(s)
		maps.DeleteFunc(some, func(n string, _ *home) bool { return !strings.HasSuffix(n, name) })
		return some
	}
	starts := func(phases ...string) {
		for _, p := range phases {
			phase(p).each(func(m *home) { m.start(t, time.Now().Add(-5*time.Second)) })
		}
	}
	ends := func(phases ...string) {
		for _, p := range phases {
			phase(p).each(func(m *home) { m.end(t) })
		}
	}
	before := map[string][2]int{}
	for n, m := range s {
		before[n] = [2]int{m.runs("started"), m.runs("ended")}
	}
	count := func(n string) [2]int {
		return [2]int{s[n].runs("started") - before[n][0], s[n].runs("ended") - before[n][1]}
	}
	wait := func(kind int, phases ...string) {
		for _, p := range phases {
			for n := range phase(p) {
				until(t, 3*time.Minute, fmt.Sprintf("%s: %s: automation %d ran", x.name, n, kind), func() bool { return count(n)[kind] > 0 })
			}
		}
	}
	starts("during", "ends", "after")
	wait(0, "during", "ends", "after")
	ends("after")
	wait(1, "after")
	h.settle(t) // what was said is at rest; in flight it might come twice

	x.down()
	if x.gone {
		s.each(func(m *home) {
			if _, err := m.hass.WaitState(limit(t, patience), m.equivent(), hass.Is("unavailable")); err != nil {
				t.Errorf("%s: %v", x.name, err)
			}
		})
	}
	starts("begins")
	ends("ends")
	x.up()
	up := time.Now()
	took := map[string]time.Duration{}
	var mu sync.Mutex
	s.each(func(m *home) {
		right := m.right(t)
		mu.Lock()
		took[m.id] = right.Sub(up)
		mu.Unlock()
	})
	x.heard()
	starts("before")
	wait(0, "before", "begins")
	wait(1, "ends")
	ends("before", "begins", "during")
	wait(1, "before", "begins", "during")
	h.settle(t)
	for _, n := range slices.Sorted(maps.Keys(s)) {
		want := [2]int{1, 1}
		if strings.HasSuffix(n, "idle") {
			want = [2]int{}
		}
		got := count(n)
		if got != want {
			t.Errorf("%s: %s: ran %v times, not %v", x.name, n, got, want)
		}
		rows = append(rows, fmt.Sprintf("%-24s %-16s %-10v %8d %8d", x.name, n, max(0, took[s[n].id].Round(10*time.Millisecond)), got[0], got[1]))
	}
	return rows
}

// enable switches an entity on. Home Assistant takes it in at its next start, or starts MQTT anew in half a minute.
func (m *home) enable(t *testing.T, entity string) {
	t.Helper()
	args := object{"entity_id": entity, "disabled_by": nil}
	must(t, m.hass.Command(limit(t, patience), "config/entity_registry/update", args, nil))
}

// answer is how the birth of Home Assistant behind a mark is answered: by every document and state once and the documents once
// more, and not by all homes at the same time.
func (s street) answer(t *testing.T, mark int) {
	t.Helper()
	h := s["idle"].house
	birth, err := h.air.Next(limit(t, 2*time.Minute), mark, observer.Says("homeassistant/status", "online"))
	must(t, err)
	since := func(on observer.Match) observer.Match {
		return func(x observer.Message) bool { return x.At.After(birth.At) && on(x) }
	}
	var waited []time.Duration
	messages := 0
	for _, m := range s {
		document := "homeassistant/device/" + m.id
		for topic, n := range map[string]int{document + "_equiwatt/config": 2, document + "_bridge/config": 2, m.id + "/bridge/state": 1} {
			_, err := h.air.Times(limit(t, patience), mark, n, since(observer.On(topic)))
			must(t, err)
		}
		h.mark(t)
		answers := observer.Pick(h.air.Since(mark), since(func(x observer.Message) bool {
			return strings.HasPrefix(x.Topic, document+"_") || x.Topic == m.id+"/bridge/state"
		}))
		messages += len(answers)
		if n := len(answers); n != 5 && n != 6 { // that it was born may be news of the set-up
			t.Errorf("%s answers the birth with %d messages of documents and its own state, not 5 or 6", m.id, n)
			continue
		}
		first := slices.IndexFunc(answers, func(x observer.Message) bool { return strings.HasPrefix(x.Topic, document+"_") })
		waited = append(waited, answers[first].At.Sub(birth.At))
	}
	if slices.Min(waited) == slices.Max(waited) {
		t.Errorf("all answer after %v", waited)
	}
	t.Logf("the birth is answered by %d homes with %d documents and bridge states, after %v", len(s), messages, waited)
}

// right waits until Home Assistant shows what is true in the vendor's cloud, and returns when it did: within five seconds, but for
// a lost broker, which it finds later, and for a machine that is busy. The table tells.
func (m *home) right(t *testing.T) time.Time {
	want := "off"
	if m.cloud.Running() {
		want = "on"
	}
	ctx := limit(t, patience)
	_, err := m.hass.WaitState(ctx, m.equivent(), hass.Is(want))
	if err == nil {
		_, err = m.hass.WaitState(ctx, m.entity("sensor", "start"), func(s hass.State) bool {
			return s.State != "unavailable" && (s.State == "unknown") == (want == "off")
		})
	}
	if err != nil {
		t.Errorf("want %q: %v", want, err)
	}
	return time.Now()
}

// momentsOnce sees that no moment was said twice, and that what was said in time is not marked late.
func (m *home) momentsOnce(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range observer.Pick(m.air.Since(0), observer.On(m.id+"/equiwatt/event")) {
		var said struct {
			ID   string `json:"id"`
			Late bool   `json:"late"`
		}
		must(t, json.Unmarshal([]byte(e.Payload), &said))
		if seen[said.ID] || said.Late || e.Retained {
			t.Errorf("%s: %+v", m.id, e)
		}
		seen[said.ID] = true
	}
}
