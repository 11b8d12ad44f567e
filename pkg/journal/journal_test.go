package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// The steps happen in one journal, one after the other.
func TestAppendTellsNewFromKnown(t *testing.T) {
	end := noon.Add(time.Hour)
	poll := event.Delivery{Received: noon, Source: "equiwatt", Via: event.ViaPoll, Body: []byte("{}")}
	unread := delivery("?")
	unread.Verdict = event.Unread
	j := openAt(t, t.TempDir())
	seq, id := int64(0), int64(0)
	for _, step := range []struct {
		name    string
		d       event.Delivery
		events  []event.Event
		verdict string
		fresh   []string // keys of the new events
		kept    bool     // the delivery
	}{
		{"first", delivery("1"), []event.Event{window("a", time.Time{})}, event.Accepted, []string{"a"}, true},
		{"told again", delivery("2"), []event.Event{window("a", time.Time{})}, event.Duplicate, nil, true},
		{"newer version", delivery("3"), []event.Event{window("a", end)}, event.Accepted, []string{"a"}, true},
		{"an older content again", delivery("4"), []event.Event{window("a", time.Time{})}, event.Accepted, []string{"a"}, true},
		{"one of two", delivery("5"), []event.Event{window("a", time.Time{}), window("b", end)}, event.Accepted, []string{"b"}, true},
		{"nothing in it", delivery("6"), nil, event.Accepted, nil, true},
		{"unread stays", unread, nil, event.Unread, nil, true},
		{"poll without news", poll, []event.Event{window("b", end)}, event.Duplicate, nil, false},
		{"empty poll", poll, nil, event.Accepted, nil, false},
		{"poll with news", poll, []event.Event{window("b", end), window("c", end)}, event.Accepted, []string{"c"}, true},
		{"no source", event.Delivery{}, []event.Event{window("d", end)}, event.Accepted, []string{"d"}, false},
		{"later of one key", delivery("7"), []event.Event{window("e", time.Time{}), window("f", end), window("e", end)}, event.Accepted, []string{"f", "e"}, true},
		{"and again", delivery("8"), []event.Event{window("e", time.Time{}), window("f", end), window("e", end)}, event.Duplicate, nil, true},
	} {
		s := mustAppend(t, j, step.d, step.events...)
		var fresh []string
		for _, e := range s.Events {
			fresh = append(fresh, e.Key)
			if seq++; e.Seq != seq {
				t.Errorf("%s: seq %d, want %d", step.name, e.Seq, seq)
			}
		}
		want := int64(0)
		if step.kept {
			id++
			want = id
		}
		if s.Verdict != step.verdict || s.Delivery != want || !cmp.Equal(fresh, step.fresh) {
			t.Errorf("%s: %s, delivery %d, new %q; want %s, %d, %q", step.name, s.Verdict, s.Delivery, fresh, step.verdict, want, step.fresh)
		}
	}
	if j.Last() != seq {
		t.Errorf("last is %d, want %d", j.Last(), seq)
	}
}

// What differs makes a version, and only that.
func TestVersions(t *testing.T) {
	base := window("a", noon)
	for name, change := range map[string]func(*event.Event){
		"subject":   func(e *event.Event) { e.Subject = "x" },
		"teller":    func(e *event.Event) { e.By = event.Webhook },
		"data":      func(e *event.Event) { e.Data = json.RawMessage(`{"a":1}`) },
		"end":       func(e *event.Event) { e.Window = &event.Window{Start: e.Window.Start} },
		"direction": func(e *event.Event) { w := *e.Window; w.Direction = "powerUP"; e.Window = &w },
		"shape":     func(e *event.Event) { e.Window, e.Notice = nil, &event.Notice{Code: "x"} },
		"source":    func(e *event.Event) { e.Source = "other" },
	} {
		j := openAt(t, t.TempDir())
		mustAppend(t, j, delivery("1"), base)
		e := base
		change(&e)
		if s := mustAppend(t, j, delivery("2"), e); len(s.Events) != 1 {
			t.Errorf("%s: not taken for new", name)
		}
	}
	for name, change := range map[string]func(*event.Event){
		"at":   func(e *event.Event) { e.At = e.At.Add(time.Hour) },
		"seen": func(e *event.Event) { e.Seen = e.Seen.Add(time.Hour) },
		"zone": func(e *event.Event) {
			e.Window = &event.Window{Start: e.Window.Start.In(time.FixedZone("", 3600)), End: e.Window.End}
		},
	} {
		j := openAt(t, t.TempDir())
		mustAppend(t, j, delivery("1"), base)
		e := base
		change(&e)
		if s := mustAppend(t, j, delivery("2"), e); len(s.Events) != 0 {
			t.Errorf("%s: taken for new", name)
		}
	}
}

// Everything comes back as it went in, from memory, from the disk and after a
// restart, with times in UTC.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	zone := time.FixedZone("", 2*3600)
	wh := 0.0
	exact := time.Date(2026, 3, 29, 1, 2, 3, 456789012, zone)
	events := []event.Event{
		{Source: "equiwatt", Key: "1", By: event.API, At: exact, Seen: time.Now(), Window: &event.Window{Start: exact, End: exact.Add(1), Running: true, Direction: "powerDOWN"}},
		{Source: "equiwatt", Key: "2", By: event.API, Seen: exact, Window: &event.Window{}},
		{Source: "equiwatt", Subject: event.Link, Key: "3", By: event.Self, At: exact, Seen: exact, Status: &event.Status{State: "error", Detail: "a \"quoted\" <word>, \\ and ütf-8 \U0001F50C, {}\":"}},
		{Source: "openvolt", Subject: "m", Key: "4", By: event.API, At: exact, Seen: exact, Session: &event.Session{Start: exact, WattHours: &wh}, Data: json.RawMessage(`{"b":[1,2],"a":null}`)},
		{Source: "ecomon", Key: "5\x00\n", By: event.Webhook, At: time.Unix(0, 0), Seen: exact, Notice: &event.Notice{Code: ""}, Data: json.RawMessage(`[]`)},
	}
	d := event.Delivery{
		Received: exact, Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Query: "a=b",
		Header: map[string]string{"User-Agent": "x\"y"}, Body: []byte{0, 1, 0xff, 0xfe, '\n'}, Verdict: "strange",
	}
	stored := mustAppend(t, j, d, events...)
	equal := []cmp.Option{cmpopts.EquateApproxTime(0), cmpopts.IgnoreFields(event.Event{}, "Seq")}
	check := func(where string, got []event.Event) {
		t.Helper()
		if diff := cmp.Diff(events, got, equal...); diff != "" {
			t.Errorf("%s: %s", where, diff)
		}
		for _, e := range got {
			for _, at := range []time.Time{e.At, e.Seen} {
				if !at.IsZero() && at.Location() != time.UTC {
					t.Errorf("%s: %v is not in UTC", where, at)
				}
			}
		}
	}
	check("answer", stored.Events)
	check("memory", allEvents(t, j))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openAt(t, dir)
	check("disk", allEvents(t, j))
	got, told, err := j.Delivery(t.Context(), stored.Delivery)
	if err != nil {
		t.Fatal(err)
	}
	check("delivery", told)
	d.ID = stored.Delivery
	if diff := cmp.Diff(d, got, equal...); diff != "" {
		t.Error(diff)
	}
	if s := mustAppend(t, j, delivery("again"), events...); len(s.Events) != 0 {
		t.Errorf("after a restart taken for new: %v", s.Events)
	}
}

func TestWhatCannotBeStored(t *testing.T) {
	j := openAt(t, t.TempDir())
	nan := math.NaN()
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, e := range map[string]event.Event{
		"no shape": {Source: "a", Key: "k", By: event.API, Seen: noon},
		"far":      {Source: "a", Key: "k", By: event.API, Seen: noon, At: far, Notice: &event.Notice{}},
		"year":     {Source: "a", Key: "k", By: event.API, Seen: noon, Window: &event.Window{Start: far.AddDate(1, 0, 0)}},
		"number":   {Source: "a", Key: "k", By: event.API, Seen: noon, Session: &event.Session{WattHours: &nan}},
	} {
		_, err := j.Append(t.Context(), delivery("x"), []event.Event{window("ok", noon), e})
		if err == nil || errors.Is(err, ErrNotStored) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if j.Last() != 0 {
		t.Error("something was stored")
	}
}

// One that follows sees everything once and in order, however fast it grows,
// and hears of it before the caller does.
func TestFollow(t *testing.T) {
	j := openAt(t, t.TempDir())
	const writers, each = 8, 300
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				e := window(fmt.Sprint(w, "/", i), noon)
				e.Data = json.RawMessage(`"` + strings.Repeat("x", 500) + `"`) // more than the tail holds
				if _, err := j.Append(t.Context(), delivery("x"), []event.Event{e}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen, last := map[string]bool{}, int64(0)
	for len(seen) < writers*each {
		select {
		case <-j.Grown():
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d, and then silence", len(seen), writers*each)
		}
		for {
			events, err := j.Events(last, 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) == 0 {
				break
			}
			for _, e := range events {
				if e.Seq <= last || seen[e.Key] {
					t.Fatalf("seq %d (%s) after %d", e.Seq, e.Key, last)
				}
				seen[e.Key], last = true, e.Seq
			}
		}
	}
	group.Wait()
	if all := allEvents(t, j); len(all) != writers*each {
		t.Errorf("%d events from the disk", len(all))
	}
	for i := range 300 {
		s := mustAppend(t, j, delivery("x"), window(fmt.Sprint("more", i), noon))
		select {
		case <-j.Grown():
		default:
			t.Fatal("the caller heard before the reader did")
		}
		if events, err := j.Events(last+int64(i), 2); err != nil || len(events) != 1 || events[0].Seq != s.Events[0].Seq {
			t.Fatal(events, err)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	var tl tail
	tl.start(10)
	for seq := int64(11); seq < 10_000; seq++ {
		tl.add([]event.Event{{Seq: seq, Data: make([]byte, seq%2000)}})
		if len(tl.events) > tailEvents || tl.bytes > tailBytes {
			t.Fatal(len(tl.events), tl.bytes)
		}
	}
	tl.add([]event.Event{{Seq: 10_000, Data: make([]byte, tailBytes)}})
	if _, ok := tl.since(9_999, 1); ok || len(tl.events) != 0 {
		t.Error("one that is too big is kept")
	}
	if _, ok := tl.since(10_000, 1); !ok {
		t.Error("the end is not known")
	}
}

func TestDeliveries(t *testing.T) {
	j := openAt(t, t.TempDir())
	for i := range 20 {
		d := delivery(strings.Repeat("b", i))
		if i%4 == 0 {
			d.Source = "ecomon"
		}
		if i%5 == 0 {
			d.Verdict = event.Unread
		}
		mustAppend(t, j, d)
	}
	for _, c := range []struct {
		q    Query
		want []int64
	}{
		{Query{Limit: 3}, []int64{20, 19, 18}},
		{Query{Limit: 3, Before: 18}, []int64{17, 16, 15}},
		{Query{Source: "ecomon"}, []int64{17, 13, 9, 5, 1}},
		{Query{Verdict: event.Unread}, []int64{16, 11, 6, 1}},
		{Query{Verdict: event.Unread, Source: "ecomon"}, []int64{1}},
		{Query{Source: "nobody"}, nil},
	} {
		list, err := j.Deliveries(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, d := range list {
			got = append(got, d.ID)
			if int64(len(d.Body)) != d.ID-1 {
				t.Errorf("delivery %d has %d bytes", d.ID, len(d.Body))
			}
		}
		if !cmp.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
	if _, _, err := j.Delivery(t.Context(), 99); !errors.Is(err, ErrNoDelivery) {
		t.Error(err)
	}
	for range 6 {
		mustAppend(t, j, delivery(strings.Repeat("x", 1<<20)))
	}
	if list, err := j.Deliveries(t.Context(), Query{}); err != nil || len(list) != 4 {
		t.Errorf("%d deliveries of 1 MiB in one list: %v", len(list), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Deliveries(ctx, Query{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	if _, ok := j.Setting("token"); ok {
		t.Error("set before it was set")
	}
	for _, v := range []string{"one", "", "two"} {
		if err := j.Set(t.Context(), "token", v); err != nil {
			t.Fatal(err)
		}
		if got, ok := j.Setting("token"); got != v || !ok {
			t.Errorf("%q, want %q", got, v)
		}
	}
	_ = j.Close()
	if err := j.Set(t.Context(), "token", "three"); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	j = openAt(t, dir)
	if got, _ := j.Setting("token"); got != "two" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestMoments(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	want := func(id string, state MomentState) {
		t.Helper()
		if got, err := j.Moment(id); err != nil || got != state {
			t.Errorf("%s: %v %v, want %v", id, got, err, state)
		}
	}
	want("a", None)
	j.MarkMoments(Sent, noon, "a", "b")
	want("a", Sent)
	j.MarkMoments(AtRest, noon, "a")
	j.MarkMoments(Sent, noon, "a")
	want("a", AtRest)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()

	j = openAt(t, dir)
	want("a", AtRest)
	want("b", Sent)
	want("c", None)
	j.MarkMoments(Sent, time.Time{}, "a", "c") // memory does not know that it rests
	want("a", AtRest)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("a", AtRest)
	want("c", Sent)
}

func TestMarksInMemoryAreBounded(t *testing.T) {
	j := openAt(t, t.TempDir())
	for i := range 5 * maxMarks {
		j.MarkMoments(AtRest, noon, fmt.Sprint(i))
		if i%500 == 0 {
			if err := j.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.MarkMoments(AtRest, noon, "last")
	j.mu.Lock()
	n, o := len(j.marks), len(j.order)
	j.mu.Unlock()
	if n > maxMarks || o != n {
		t.Errorf("%d marks in memory, %d in order", n, o)
	}
	if got, err := j.Moment("0"); err != nil || got != AtRest {
		t.Error(got, err)
	}
}

// The group in front of the disk is counted, and whoever gives up waiting
// gets its own error, not one about the disk.
func TestWaitingAndGivingUp(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := j.Append(ctx, delivery("x"), nil)
		result <- err
	}()
	if err := eventually("one append waits", func() bool { return j.Waiting() == 1 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	if j.Waiting() != 0 {
		t.Error("still counted")
	}
	release()
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(ctx, delivery("x"), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// occupy holds the file the way another program would, until release.
func occupy(t *testing.T, j *Journal) (release func()) {
	t.Helper()
	c, err := connect(file(j), "?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.keepLog(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = c.close() }
}

// A user's own tool that keeps the file locked is a reason with a name.
func TestLockedByAnotherProgram(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	_, err := j.Append(t.Context(), delivery("x"), nil)
	if !errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "locked") {
		t.Error(err)
	}
	release()
	if err := eventually("the problem is over", func() bool { return j.Problem() == "" }); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, delivery("x"))
}

// A statement that fails takes nothing else with it.
func TestAfterAFailure(t *testing.T) {
	j := openAt(t, t.TempDir())
	mustAppend(t, j, delivery("x"), window("a", noon))
	alter(t, file(j), "CREATE TRIGGER refuse BEFORE INSERT ON deliveries WHEN new.kind = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END")
	bad := delivery("x")
	bad.Kind = "bad"
	if _, err := j.Append(t.Context(), bad, []event.Event{window("b", noon)}); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	s := mustAppend(t, j, delivery("x"), window("b", noon))
	if s.Delivery != 2 || len(s.Events) != 1 || s.Events[0].Seq != 2 {
		t.Errorf("%+v", s)
	}
}

// Locked already at the start: what was set meanwhile must not win over what
// the file knows.
func TestLockedAtTheStart(t *testing.T) {
	dir, path := made(t)
	c, err := connect(path, "?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, s := range []string{"PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE"} {
		if _, err := c.exec(s); err != nil {
			t.Fatal(err)
		}
	}
	j := openAt(t, dir)
	if p := j.Problem(); p != "Nothing can be stored: another program keeps the journal locked." {
		t.Error(p)
	}
	for _, key := range []string{"token", "other"} {
		if err := j.Set(t.Context(), key, "blind"); !errors.Is(err, ErrNotStored) {
			t.Error(err)
		}
	}
	_ = c.close()
	if err := eventually("the problem is over", func() bool { return j.Problem() == "" }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		token, _ := j.Setting("token")
		if other, _ := j.Setting("other"); token != "mine" || other != "blind" {
			t.Errorf("token %q, other %q", token, other)
		}
		if all := allEvents(t, j); len(all) != 500 {
			t.Errorf("%d events", len(all))
		}
		_ = j.Close()
		j = openAt(t, dir)
	}
}

// Many that come together share one commit.
func TestGroupCommit(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	var group sync.WaitGroup
	const n = 100
	for i := range n {
		group.Go(func() {
			if _, err := j.Append(t.Context(), delivery("x"), []event.Event{window(fmt.Sprint(i), noon)}); err != nil {
				t.Error(err)
			}
		})
	}
	if err := eventually("all wait", func() bool { return j.Waiting() == n }); err != nil {
		t.Fatal(err)
	}
	release()
	group.Wait()
	if signals := len(j.Grown()); signals != 1 || j.Last() != n {
		t.Errorf("%d signals, last %d", signals, j.Last())
	}
	frames := walFrames(t, j)
	if frames > 3*n/2 { // each alone writes three pages
		t.Errorf("%d pages for %d appends", frames, n)
	}
}

// walFrames is how many pages the write-ahead log holds.
func walFrames(t *testing.T, j *Journal) (frames int64) {
	t.Helper()
	c, err := connect(file(j), "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	row, err := c.first("PRAGMA wal_checkpoint(NOOP)")
	if err != nil {
		t.Fatal(err)
	}
	frames, _ = row[1].(int64)
	return frames
}

// A setting on an SD card costs one page, and nothing where nothing changes.
func TestIdleWritesAreSmall(t *testing.T) {
	j := openAt(t, t.TempDir())
	if err := j.Set(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	poll := event.Delivery{Received: noon, Source: "equiwatt", Via: event.ViaPoll, Body: []byte("{}")}
	mustAppend(t, j, poll, window("a", noon))
	before := walFrames(t, j)
	if err := j.Set(t.Context(), "a", "2"); err != nil {
		t.Fatal(err)
	}
	if n := walFrames(t, j) - before; n != 1 {
		t.Errorf("a setting takes %d pages", n)
	}
	for range 10 {
		mustAppend(t, j, poll, window("a", noon))
		if err := j.Set(t.Context(), "a", "2"); err != nil {
			t.Fatal(err)
		}
	}
	if n := walFrames(t, j) - before; n != 1 {
		t.Errorf("nothing new takes %d pages", n-1)
	}
}

// The log stays within its bounds and at its size, and what is in it gets into
// the file.
func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	if info, err := os.Stat(file(j) + "-wal"); err != nil || info.Size() != logSize {
		t.Errorf("the first syncs are slow ones: %v %v", info.Size(), err)
	}
	for i := range 1500 {
		mustAppend(t, j, delivery(strings.Repeat("x", 3000)), window(fmt.Sprint(i), noon))
	}
	info, err := os.Stat(file(j) + "-wal")
	if err != nil || info.Size() > 2*logSize {
		t.Errorf("%v %v", info.Size(), err)
	}
	_ = j.Close()
	if info, err := os.Stat(filepath.Join(dir, "journal.db-wal")); err != nil || info.Size() < logSize {
		t.Errorf("the log does not keep its size: %v", err)
	}
	j = openAt(t, dir)
	if all := allEvents(t, j); len(all) != 1500 {
		t.Errorf("%d events", len(all))
	}
}

// Nor do short lives make it grow.
func TestLogIsBoundedOverRestarts(t *testing.T) {
	dir := t.TempDir()
	for life := range 12 {
		j := openAt(t, dir)
		for i := range 5 {
			mustAppend(t, j, delivery(strings.Repeat("x", 200_000)), window(fmt.Sprint(life, i), noon))
		}
		_ = j.Close()
	}
	if info, err := os.Stat(filepath.Join(dir, "journal.db-wal")); err != nil || info.Size() > 2*logSize {
		t.Errorf("%d bytes: %v", info.Size(), err)
	}
}

func TestSyncsEveryCommit(t *testing.T) {
	dir := t.TempDir()
	_ = openAt(t, dir).Close()
	c, err := openFile(filepath.Join(dir, "journal.db"), migrations())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	mode, err := c.first("PRAGMA journal_mode")
	if err != nil || mode[0] != "wal" {
		t.Error(mode, err)
	}
	const isFull = 2
	if sync, err := c.number("PRAGMA synchronous"); err != nil || sync != isFull {
		t.Error(sync, err)
	}
}

func TestClose(t *testing.T) {
	j := openAt(t, t.TempDir())
	mustAppend(t, j, delivery("x"), window("a", noon))
	j.MarkMoments(AtRest, noon, "m")
	var group sync.WaitGroup
	stored := make(chan int64, 64)
	for i := range 64 {
		group.Go(func() {
			s, err := j.Append(context.WithoutCancel(t.Context()), delivery("x"), []event.Event{window(fmt.Sprint(i), noon)})
			switch {
			case err == nil:
				stored <- s.Events[0].Seq
			case !errors.Is(err, ErrNotStored):
				t.Error(err)
			}
		})
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	close(stored)
	if err := j.Close(); err != nil {
		t.Error("twice:", err)
	}
	if _, err := j.Deliveries(t.Context(), Query{}); err == nil {
		t.Error("a closed journal answers")
	}
	j = openAt(t, j.dir)
	if got, err := j.Moment("m"); err != nil || got != AtRest {
		t.Error("a mark that waited is lost:", got, err)
	}
	have := map[int64]bool{}
	for _, e := range allEvents(t, j) {
		have[e.Seq] = true
	}
	for seq := range stored {
		if !have[seq] {
			t.Errorf("%d was acknowledged and is lost", seq)
		}
	}
}

func TestCloseStoresWhatWaits(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	var group sync.WaitGroup
	start := func(i int) {
		group.Go(func() {
			if _, err := j.Append(t.Context(), delivery("x"), []event.Event{window(fmt.Sprint(i), noon)}); err != nil {
				t.Error(err)
			}
		})
	}
	const n = 50
	start(0)
	if err := eventually("one is being written", func() bool { return j.Waiting() == 1 && len(j.requests) == 0 }); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		start(i + 1)
	}
	if err := eventually("the others are queued", func() bool { return len(j.requests) == n }); err != nil {
		t.Fatal(err)
	}
	closing := make(chan error)
	go func() { closing <- j.Close() }()
	<-j.closing
	release()
	if err := <-closing; err != nil {
		t.Error(err)
	}
	group.Wait()
}

func TestOneProcessADirectory(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	_, err := Open(dir, Options{Log: zerolog.Nop()})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process uses it") {
		t.Error(err)
	}
	mustAppend(t, j, delivery("x"))
	_ = j.Close()
	openAt(t, dir)
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "journal.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{inTheWay, filepath.Join(inTheWay, "below"), taken} {
		_, err := Open(path, Options{Log: zerolog.Nop()})
		if err == nil || !strings.Contains(err.Error(), path+" cannot be used: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFilesAreNobodyElses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20", "data")
	j := openAt(t, dir)
	mustAppend(t, j, delivery("x"))
	if _, err := j.Deliveries(t.Context(), Query{}); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Error(entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", e.Name(), info.Mode())
		}
	}
}
