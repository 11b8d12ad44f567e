package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func ids(list []event.Delivery) (ids []int64) {
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	return ids
}

// mixed is 20 deliveries, a minute apart.
func mixed(t *testing.T) *Journal {
	t.Helper()
	j := openAt(t, t.TempDir())
	for i := range 20 {
		d := delivery(strings.Repeat("b", i) + fmt.Sprintf("Serial-%d%%_\\", i))
		d.Received = noon.Add(time.Duration(i) * time.Minute)
		if i%4 == 0 {
			d.Source, d.Kind = "ecomon", ""
		}
		if i%5 == 0 {
			d.Verdict = event.Unread
		}
		if i == 3 {
			d.Via = event.ViaMQTT
		}
		mustAppend(t, j, d)
	}
	return j
}

func TestDeliveries(t *testing.T) {
	j := mixed(t)
	for _, c := range []struct {
		q    Query
		want []int64
	}{
		{Query{Limit: 3}, []int64{20, 19, 18}},
		{Query{Limit: 3, Before: 18}, []int64{17, 16, 15}},
		{Query{Limit: 3, After: 15}, []int64{18, 17, 16}},
		{Query{Limit: 3, After: 18}, []int64{20, 19}},
		{Query{After: 20}, nil},
		{Query{Source: "ecomon"}, []int64{17, 13, 9, 5, 1}},
		{Query{Source: "ecomon", Before: 9, Limit: 1}, []int64{5}},
		{Query{Source: "ecomon", After: 5, Limit: 1}, []int64{9}},
		{Query{Verdict: event.Unread}, []int64{16, 11, 6, 1}},
		{Query{Verdict: event.Unread, Source: "ecomon"}, []int64{1}},
		{Query{Via: event.ViaMQTT}, []int64{4}},
		{Query{Source: "nobody"}, nil},
		{Query{Since: noon.Add(17 * time.Minute)}, []int64{20, 19, 18}},
		{Query{Until: noon.Add(2 * time.Minute)}, []int64{2, 1}},
		{Query{Since: noon.Add(time.Minute), Until: noon.Add(3 * time.Minute)}, []int64{3, 2}},
		{Query{Text: "serial-1"}, []int64{20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 2}},
		{Query{Text: "SERIAL-1", Source: "ecomon"}, []int64{17, 13}},
		{Query{Text: "serial-7%_\\"}, []int64{8}},
		{Query{Text: "serial-7_"}, nil},
		{Query{Text: "ecoM"}, []int64{17, 13, 9, 5, 1}},
		{Query{Text: "STARTED", Limit: 1}, []int64{20}},
		{Query{Text: "' OR 1=1 --"}, nil},
		{Query{Text: strings.Repeat("%", 100_000)}, nil},
	} {
		list, err := j.Deliveries(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(list); !cmp.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
	if _, _, err := j.Delivery(t.Context(), 99); !errors.Is(err, ErrNoDelivery) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Deliveries(ctx, Query{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A filter reads those blocks alone that hold something of it, and finds what
// reading all finds.
func TestFiltersReadLittle(t *testing.T) {
	dir := t.TempDir()
	_ = openAt(t, dir).Close()
	c, err := connect(dir+"/journal.db", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO deliveries (id, received, source, kind, via, verdict, first, events, query, body)
		SELECT i, nullif(i * 60000000000, 300000000000), CASE i WHEN 9 THEN 'ecomon' WHEN 5000 THEN 'ecomon' ELSE 'equiwatt' END,
			CASE i WHEN 3000 THEN 'rare' ELSE 'started' END, 'http', CASE i / 2048 WHEN 1 THEN 'duplicate' ELSE 'accepted' END, 0, 0, '', x'62' FROM n`, 6*block))
	if err == nil {
		err = c.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	j := openAt(t, dir)
	all, err := j.Deliveries(t.Context(), Query{Limit: 1 << 20})
	if err != nil || len(all) != 6*block {
		t.Fatal(len(all), err)
	}
	minute := func(n int64) time.Time { return time.Unix(n*60, 0) }
	for _, want := range []struct {
		q      Query
		read   []stretch
		bodies bool
	}{
		{Query{Source: "ecomon"}, []stretch{{0, block}, {4*block - 1, 5 * block}}, false},
		{Query{Source: "ecomon", Limit: 1}, []stretch{{0, block}, {4*block - 1, 5 * block}}, false},
		{Query{Source: "ecomon", After: 9, Limit: 1}, []stretch{{9, block}, {4*block - 1, 5 * block}}, false},
		{Query{Source: "ecomon", Before: 5000}, []stretch{{0, block}, {4*block - 1, 5000}}, false},
		{Query{Source: "ecomon", After: 5 * block}, nil, false},
		{Query{Source: "capacitor"}, nil, true},
		{Query{Via: event.ViaPoll}, nil, true},
		{Query{Verdict: event.Duplicate, Limit: 3000}, []stretch{{2*block - 1, 4 * block}}, false},
		{Query{Verdict: event.Duplicate, Source: "ecomon"}, nil, true},
		{Query{Since: minute(2000), Until: minute(2010)}, []stretch{{block - 1, 2 * block}}, false},
		{Query{Until: minute(0)}, nil, false},
		{Query{Since: minute(7 * block)}, nil, false},
		{Query{Text: "RARE"}, []stretch{{0, 7 * block}}, false},
		{Query{Text: "b", Limit: 7}, []stretch{{0, 7 * block}}, true},
		{Query{After: 1<<63 - 1}, []stretch{{1<<63 - 1, 1<<63 - 1}}, false},
	} {
		read, bodies, err := j.where(t.Context(), want.q)
		if err != nil || !cmp.Equal(read, want.read, cmp.AllowUnexported(stretch{})) || bodies != want.bodies {
			t.Errorf("%+v reads %v %v, %v", want.q, read, bodies, err)
		}
		if list, err := j.Deliveries(t.Context(), want.q); err != nil || !cmp.Equal(ids(list), ids(chosen(all, want.q))) {
			t.Errorf("%+v: %v, %v", want.q, ids(list), err)
		}
	}
	d := delivery("x")
	d.Source = "capacitor"
	id := mustAppend(t, j, d).Delivery
	if list, err := j.Deliveries(t.Context(), Query{Source: "capacitor"}); err != nil || !cmp.Equal(ids(list), []int64{id}) {
		t.Error("what has just come is not found:", ids(list), err)
	}
}

// chosen are those of a list, the newest first, that a query asks for.
func chosen(all []event.Delivery, q Query) (list []event.Delivery) {
	for _, d := range all {
		fits := (q.Source == "" || d.Source == q.Source) && (q.Verdict == "" || d.Verdict == q.Verdict) && (q.Via == "" || d.Via == q.Via) &&
			(q.Since.IsZero() || !d.Received.IsZero() && !d.Received.Before(q.Since)) && (q.Until.IsZero() || !d.Received.IsZero() && d.Received.Before(q.Until)) &&
			(q.Before == 0 || d.ID < q.Before) && d.ID > q.After &&
			strings.Contains(string(d.Body)+"\n"+d.Kind+"\n"+d.Source, strings.ToLower(q.Text))
		if fits {
			list = append(list, d)
		}
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	if n := len(list) - q.Limit; n > 0 && q.After > 0 {
		return list[n:]
	}
	return list[:min(len(list), q.Limit)]
}

// A page holds as many as was asked for, however large they are.
func TestAListHoldsTheBeginningOfBodies(t *testing.T) {
	j := openAt(t, t.TempDir())
	for _, size := range []int{10, listBody + 1, listWhole, listWhole + 1, 1 << 20} {
		mustAppend(t, j, delivery(strings.Repeat("x", size)))
	}
	list, err := j.Deliveries(t.Context(), Query{})
	if err != nil || len(list) != 5 {
		t.Fatal(len(list), err)
	}
	for i, want := range []struct{ size, held int }{{1 << 20, 0}, {listWhole + 1, 0}, {listWhole, listBody}, {listBody + 1, listBody}, {10, 10}} {
		if d := list[i]; d.Size != want.size || len(d.Body) != want.held {
			t.Errorf("%d of %d bytes, want %+v", len(d.Body), d.Size, want)
		}
		if d, _, err := j.Delivery(t.Context(), list[i].ID); err != nil || len(d.Body) != want.size {
			t.Errorf("opened: %d bytes, %v", len(d.Body), err)
		}
	}
}

// Pages are stable: walking them while new deliveries come shows each once.
func TestPagesAreStable(t *testing.T) {
	j := mixed(t)
	var seen []int64
	for before := int64(0); ; {
		page, err := j.Deliveries(t.Context(), Query{Limit: 6, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		seen = append(seen, ids(page)...)
		before = page[len(page)-1].ID
		mustAppend(t, j, delivery("new"))
	}
	for i, id := range seen {
		if id != int64(20-i) {
			t.Fatal(seen)
		}
	}
	if len(seen) != 20 {
		t.Error(seen)
	}
}

func TestCounts(t *testing.T) {
	j := openWith(t, t.TempDir(), Options{Retention: 100 * day})
	want := func(want ...Count) {
		t.Helper()
		got, err := j.Counts(t.Context())
		if err != nil || !cmp.Equal(got, append([]Count{}, want...)) {
			t.Errorf("%v %v, want %v", got, err, want)
		}
	}
	want()
	at(t, j, noon.Add(-200*day), window("a", noon))
	at(t, j, noon.Add(-200*day), window("a", noon))
	want(Count{"equiwatt", event.Accepted, 1}, Count{"equiwatt", event.Duplicate, 1})
	at(t, j, noon, window("b", noon))
	d := delivery("x")
	d.Source = "ecomon"
	mustAppend(t, j, d)
	want(Count{"ecomon", event.Accepted, 1}, Count{"equiwatt", event.Accepted, 2}, Count{"equiwatt", event.Duplicate, 1})
	sweepNow(t, j)
	want(Count{"ecomon", event.Accepted, 1}, Count{"equiwatt", event.Accepted, 1})
}

// What was said of a delivery is found again, before and after it is on the
// disk, and goes with the delivery.
func TestSpoken(t *testing.T) {
	dir := t.TempDir()
	j := openWith(t, dir, Options{Retention: 100 * day})
	d := delivery("old")
	d.Received = noon.Add(-200 * day)
	mustAppend(t, j, d, window("a", noon))
	mustAppend(t, j, delivery("new"), window("b", noon))
	mustAppend(t, j, delivery("newer"), window("c", noon))
	check := func(when string) {
		t.Helper()
		list, err := j.Deliveries(t.Context(), Query{})
		if err != nil || !list[0].Spoken.IsZero() || !list[1].Spoken.Equal(noon.Add(time.Second)) {
			t.Errorf("%s: %+v %v", when, list, err)
		}
		one, _, err := j.Delivery(t.Context(), 2)
		if err != nil || !one.Spoken.Equal(noon.Add(time.Second)) {
			t.Errorf("%s: %+v %v", when, one, err)
		}
	}
	if got := ids(j.Spoken(0, noon)); got != nil {
		t.Error(got)
	}
	if got := j.Spoken(1, noon); !cmp.Equal(ids(got), []int64{1}) || !got[0].Received.Equal(d.Received) {
		t.Error(got)
	}
	j.Spoken(2, noon.Add(time.Second))
	if got := j.Spoken(2, noon.Add(time.Hour)); got != nil {
		t.Error("spoken of twice", got)
	}
	check("at once")
	if got := j.Spoken(3, time.Time{}); got != nil {
		t.Error("nothing was said of it", got)
	}
	check("nothing was said of the last one")
	_ = j.Close()
	j = openWith(t, dir, Options{Retention: 100 * day})
	check("after a restart")
	sweepNow(t, j)
	check("after the old ones are gone")
	err := j.read(t.Context(), func(r *reader) error {
		n, err := r.db.number("SELECT count(*) FROM spoken")
		if n != 1 {
			t.Errorf("%d rows", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// While nobody is there to speak to, memory does not grow.
func TestUnspokenIsBounded(t *testing.T) {
	j := openAt(t, t.TempDir())
	for i := range maxUnspoken + 10 {
		j.toSpeak([]*request{{delivery: delivery("x"), stored: Stored{Delivery: int64(i + 1), Events: []event.Event{{Seq: int64(i + 1)}}}}})
	}
	if got := j.Spoken(1<<40, noon); len(got) != maxUnspoken || got[0].ID != 11 || got[0].Body != nil {
		t.Error(len(got))
	}
}

func TestTellings(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	mustAppend(t, j, delivery("1"), window("a", noon), window("b", noon), window("c", noon))
	later := noon.Add(time.Second)
	j.MarkMoments(Sent, noon, 1, "one", "other")
	j.MarkMoments(AtRest, later, 3, "one")
	j.MarkMoments(Sent, noon, 3, "not asked for")
	want := map[int64][]event.Telling{1: {{Moment: "one", Sent: noon, AtRest: later}, {Moment: "other", Sent: noon}}}
	for range 2 {
		got, err := j.Tellings(t.Context(), 1, 2)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
		_ = j.Close()
		j = openAt(t, dir)
	}
	j.MarkMoments(AtRest, later, 2, "other") // sent before the restart
	want[1][1].AtRest = later
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	j = openAt(t, dir)
	if got, err := j.Tellings(t.Context(), 1, 2); err != nil || !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got), err)
	}
}
