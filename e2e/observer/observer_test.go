package observer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
	"github.com/grid2mqtt/grid2mqtt/e2e/mosquitto"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

func limit(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, filters ...string) (*mosquitto.Broker, *observer.Observer) {
	t.Helper()
	b, err := mosquitto.Open(limit(t, 3*time.Minute))
	switch {
	case errors.Is(err, debian.ErrMissing) && testing.Short():
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, watch(t, b, filters...)
}

func watch(t *testing.T, b *mosquitto.Broker, filters ...string) *observer.Observer {
	t.Helper()
	o, err := observer.Open(limit(t, time.Minute), b.URL(), filters...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func say(t *testing.T, o *observer.Observer, topic, payload string, retained bool) {
	t.Helper()
	if err := o.Publish(limit(t, time.Minute), topic, payload, retained); err != nil {
		t.Fatal(err)
	}
}

func mark(t *testing.T, o *observer.Observer) int {
	t.Helper()
	n, err := o.Mark(limit(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRecordsInOrderWithTheRetainedFlag(t *testing.T) {
	t.Parallel()
	b, o := open(t, "a/#")
	speaker := watch(t, b)
	before := time.Now()
	for i := range 100 {
		say(t, speaker, fmt.Sprintf("a/%d", i%3), fmt.Sprint(i), i%2 == 0)
	}
	say(t, speaker, "b", "not meant", true)
	got, err := o.Times(limit(t, time.Minute), 0, 100, observer.On("a/#"))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range got {
		if m.Topic != fmt.Sprintf("a/%d", i%3) || m.Payload != fmt.Sprint(i) || m.Retained != (i%2 == 0) || m.QoS != 1 {
			t.Fatalf("%d is %+v", i, m)
		}
		if m.At.Before(before) || i > 0 && m.At.Before(got[i-1].At) {
			t.Fatalf("%d came at %v", i, m.At)
		}
	}
	if n := mark(t, o); n != 100 {
		t.Errorf("%d messages, not 100", n)
	}
}

func TestHeldIsNotInTheRecord(t *testing.T) {
	t.Parallel()
	b, speaker := open(t)
	for i := range 60 { // more than a broker sends before it waits for confirmations
		say(t, speaker, fmt.Sprintf("held/%d", i), fmt.Sprint(i), true)
	}
	say(t, speaker, "held/7", "", true)
	say(t, speaker, "held/not", "x", false)
	held, err := observer.Held(limit(t, time.Minute), b.URL(), "held/#")
	if err != nil || len(held) != 59 || held["held/59"] != "59" {
		t.Error(err, held)
	}
	late := watch(t, b, "held/#")
	say(t, speaker, "held/8", "again", true)
	got, err := late.Next(limit(t, time.Minute), 0, observer.On("held/#"))
	if err != nil || got.Payload != "again" {
		t.Error(err, got)
	}
}

func TestComesBackToABroker(t *testing.T) {
	t.Parallel()
	b, o := open(t, "#")
	say(t, o, "x", "1", true)
	for range 3 {
		b.Kill()
		if err := b.Start(limit(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Connected(limit(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	say(t, watch(t, b), "x", "2", false)
	got, err := o.Times(limit(t, time.Minute), 0, 2, observer.On("#"))
	if err != nil || len(got) != 2 {
		t.Error(err, got)
	}
}

func TestMarkIsBehindWhatWasSaid(t *testing.T) {
	t.Parallel()
	b, o := open(t, "#")
	speaker := watch(t, b)
	for i := range 200 {
		say(t, speaker, "x", strings.Repeat("y", 10_000), false)
		if n := mark(t, o); n != i+1 {
			t.Fatalf("at %d after %d messages", n, i+1)
		}
	}
	b.Kill() // what is lost is not waited for
	if n := mark(t, o); n != 200 {
		t.Error(n)
	}
}

func TestWaitsTellWhatWasHeard(t *testing.T) {
	t.Parallel()
	_, o := open(t, "#")
	say(t, o, "one", "1", false)
	mark := mark(t, o)
	say(t, o, "two", strings.Repeat("2", 300), true)
	if _, err := o.Next(limit(t, time.Minute), mark, observer.On("two")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Next(limit(t, 50*time.Millisecond), mark, observer.On("one")); err == nil ||
		!strings.Contains(err.Error(), `two (retained) "222`) || strings.Contains(err.Error(), "one ") {
		t.Error(err)
	}
	if got := observer.Payloads(observer.Pick(o.Since(0), observer.On("one"))); !slices.Equal(got, []string{"1"}) {
		t.Error(got)
	}
	if err := o.Quiet(limit(t, time.Minute), 50*time.Millisecond, observer.On("#")); err != nil {
		t.Error(err)
	}
}

func TestQuietIsNotFooled(t *testing.T) {
	t.Parallel()
	_, o := open(t, "#")
	go func() {
		for range 5 {
			o.Quiet(t.Context(), 60*time.Millisecond, observer.On("nothing"))
			o.Publish(t.Context(), "noise", "", false)
		}
	}()
	if err := o.Quiet(limit(t, time.Minute), 3*time.Second, observer.On("noise")); err != nil {
		t.Fatal(err)
	}
	noise := observer.Pick(o.Since(0), observer.On("noise"))
	if len(noise) != 5 || time.Since(noise[4].At) < 3*time.Second {
		t.Errorf("quiet after %d messages", len(noise))
	}
}

func TestOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"a/+/c", "a/b/c", true},
		{"a/+", "a/b/c", false},
		{"a/#", "a/b/c", true},
		{"a/#", "a", true},
		{"#", "a", true},
		{"+", "a", true},
		{"+/b", "a/c", false},
	} {
		if got := observer.On(c.filter)(observer.Message{Topic: c.topic}); got != c.want {
			t.Errorf("%s on %s: %v", c.filter, c.topic, got)
		}
	}
}
