package journal

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

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
		case <-time.After(90 * time.Second):
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
