package app

import (
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// Names of the steps of setting up that belong to no source.
const (
	stepConfiguration = "configuration"
	stepJournal       = "journal"
	stepBroker        = "broker"
	stepLogin         = "login"
	stepBirth         = "home_assistant"
	stepDiscovery     = "discovery"
	stepClock         = "clock"
	stepListener      = "hook_listener"
	stepPublic        = "public_url"
)

// firstSource is what to do where no source is on.
const firstSource = "Turn on the Open API in the Equiwatt app (Add device, API Integration), and set EQUIWATT_TOKEN (option equiwatt: token) to the token it shows."

// What the steps are about, for people.
const (
	usable   = "The configuration can be used"
	stored   = "What arrives is kept"
	awake    = "Home Assistant is there"
	readable = "The broker keeps our devices for Home Assistant"
	punctual = "This machine's clock is right"
	listens  = "The hook listener answers"
	inReach  = "The internet reaches the hook listener"
)

// brokerFirst is why a step that needs the broker is left out.
const brokerFirst = "The MQTT broker has to be reached first."

// findings are what the self-check has found.
type findings struct {
	mu    sync.Mutex
	found map[string]web.Step // what it takes a while to find out, as inspect found it
	said  map[string]web.Step // the rest, as it was last said
	alone bool                // PUBLIC_URL could not be reached at all
}

func (f *findings) put(s web.Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found == nil {
		f.found = map[string]web.Step{}
	}
	f.found[s.Name] = s
}

func (f *findings) get(name string) web.Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found[name]
}

// unreached reports whether nobody answered at PUBLIC_URL.
func (f *findings) unreached() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alone
}

// since gives each step that was not looked at once the time since when it has
// been so.
func (f *findings) since(list []web.Step, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == nil {
		f.said = map[string]web.Step{}
	}
	for i, s := range list {
		if !s.At.IsZero() {
			continue
		}
		old := f.said[s.Name]
		if list[i].At = old.At; old.At.IsZero() || old.State != s.State || old.Reason != s.Reason {
			list[i].At = now
			f.said[s.Name] = list[i]
		}
	}
}

// stepsOf returns the steps of setting up as they are now, in the order in which
// they build on another. It does not wait: what takes a while is as inspect
// last found it.
func (a *App) stepsOf(v state.View) []web.Step {
	h := a.publisher.Health()
	list := []web.Step{a.configured(), a.storing(), reached(h), letIn(h), there(h), a.discovered(h)}
	for _, s := range a.sources {
		list = append(list, a.answering(s, v.Link(s.name)))
	}
	list = append(list, a.onTime(v), a.listening(), a.public())
	for _, s := range a.sources {
		if step, ok := a.signed(s); ok {
			list = append(list, step)
		}
	}
	for _, s := range a.sources {
		list = append(list, a.hooked(s))
	}
	a.found.since(list, v.At)
	return list
}

// setupEvery is how often the steps are looked at for the bridge: they cost
// 20 µs, and many webhooks a second are no reason to pay that for each.
const setupEvery = 250 * time.Millisecond

// verdict is what the bridge last said of the steps.
type verdict struct {
	mu         sync.Mutex
	at         time.Time
	name, text string
	later      bool // the publisher will be woken to look again
}

// setup is what the bridge says of the steps: no older than setupEvery, or it
// will be said anew soon.
func (a *App) setup(v state.View) (name, text string) {
	w := &a.verdict
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case time.Since(w.at) >= setupEvery:
		w.name, w.text = setup(a.stepsOf(v))
		w.at = time.Now()
	case !w.later:
		w.later = true
		time.AfterFunc(setupEvery, func() {
			w.mu.Lock()
			w.later = false
			w.mu.Unlock()
			a.publisher.Wake()
		})
	}
	return w.name, w.text
}

// setup is what the bridge says of the steps: "ok", or the name of the first
// that is broken; and what it is, or what is waited for.
func setup(steps []web.Step) (name, text string) {
	if s, broken := web.FirstFailed(steps); broken {
		return s.Name, joined(s.Reason, s.Remedy)
	}
	for _, s := range steps {
		if s.State == web.Waiting {
			return "ok", joined(s.Reason, s.Remedy)
		}
	}
	return "ok", ""
}

func joined(sentences ...string) string { return strings.TrimSpace(strings.Join(sentences, " ")) }

// sentence makes a sentence of an error's text.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if text == "" || size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

func (a *App) configured() web.Step {
	s := web.Step{Name: stepConfiguration, Title: usable, State: web.Passed}
	switch {
	case len(a.half) > 0:
		s.State, s.Reason, s.Remedy = web.Failed, a.half[0], "Set what is missing, or empty what is set."
	case len(a.sources) == 0:
		s.State, s.Reason, s.Remedy = web.Failed, "No source is on.", firstSource
	}
	return s
}

// unusable is the one step of a configuration that cannot be used.
func unusable(bad error) web.Step {
	return web.Step{Name: stepConfiguration, Title: usable, State: web.Failed, Reason: sentence(bad.Error()), Remedy: "Correct it, and start again.", At: time.Now().UTC()}
}

func (a *App) storing() web.Step {
	s := web.Step{Name: stepJournal, Title: stored, State: web.Passed}
	if p := a.journal.Problem(); p != "" {
		s.State, s.Reason, s.Remedy = web.Failed, sentence(p), "Look at the disk of DATA_DIR: it needs room, and has to be sound."
	}
	return s
}

func reached(h homeassistant.Health) web.Step {
	s := web.Step{Name: stepBroker, Title: "The MQTT broker is reached", State: web.Passed}
	switch {
	case h.Trouble == "" || h.Refused:
	case !h.Tried:
		s.State, s.Reason = web.Waiting, sentence(h.Trouble)
	case h.Trouble == homeassistant.ErrNoBroker.Error(): // says itself what to do
		s.State, s.Reason = web.Failed, sentence(h.Trouble)
	default:
		s.State, s.Reason, s.Remedy = web.Failed, sentence(h.Trouble), "Is it running, and is MQTT_URL right if it is set? It is tried again until it works."
	}
	return s
}

func letIn(h homeassistant.Health) web.Step {
	s := web.Step{Name: stepLogin, Title: "The MQTT broker lets us in", State: web.Passed}
	switch {
	case h.Refused:
		s.State, s.Reason, s.Remedy = web.Failed, sentence(h.Trouble), "Set the name and the password of a user that the broker knows."
	case h.Thrown > 1:
		s.State, s.Reason = web.Failed, "The MQTT broker lets us in and ends the connection seconds later, again and again."
		s.Remedy = "Let its user read and write what Grid2MQTT and Home Assistant say there, and run no copy of this data folder."
	case h.Trouble != "":
		s.State, s.Reason = web.Skipped, brokerFirst
	}
	return s
}

func there(h homeassistant.Health) web.Step {
	s := web.Step{Name: stepBirth, Title: awake, State: web.Passed}
	switch {
	case h.Trouble != "":
		s.State, s.Reason = web.Skipped, brokerFirst
	case h.Missing:
		s.State, s.Reason = web.Failed, "Home Assistant said goodbye over an hour ago and has not come back."
		s.Remedy = "Start it, or look at its MQTT integration."
	case h.Gone:
		s.State, s.Reason = web.Waiting, "Home Assistant said goodbye; what happens waits for it."
	case !h.Born:
		s.State, s.Reason = web.Waiting, "Home Assistant has not been heard on this broker yet."
		s.Remedy = "It speaks when its MQTT integration starts: set that up, or reload it."
	case h.Birth.IsZero():
		s.Reason = "It was heard before; it speaks again when its MQTT integration starts."
	}
	return s
}

// discovered tells what reading back our documents has brought.
func (a *App) discovered(h homeassistant.Health) web.Step {
	s := a.found.get(stepDiscovery)
	switch {
	case h.Since.IsZero():
		s = web.Step{State: web.Skipped, Reason: brokerFirst}
	case s.At.Before(h.Since):
		s = web.Step{State: web.Waiting, Reason: "What Home Assistant is told has not been read back yet."}
	}
	s.Name, s.Title = stepDiscovery, readable
	return s
}

func (a *App) onTime(v state.View) web.Step {
	s := web.Step{Name: stepClock, Title: punctual, State: web.Passed}
	asked, told := false, false
	for _, src := range a.sources {
		asked = asked || src.poll != nil
		told = told || src.poll != nil && !v.Link(src.name).LastGood.IsZero()
	}
	switch {
	case v.Skew != 0:
		way := "ahead of"
		if v.Skew < 0 {
			way = "behind"
		}
		s.State, s.Reason = web.Failed, "It is "+v.Skew.Abs().Round(time.Second).String()+" "+way+" the vendors' clocks, by which times are judged until it is set right."
		s.Remedy = "Switch on its time synchronisation (NTP)."
	case !asked:
		s.State, s.Reason = web.Skipped, "No vendor is asked, so nobody tells the time."
	case !told:
		s.State, s.Reason = web.Waiting, "No vendor has told the time yet."
	}
	return s
}

func (a *App) listening() web.Step {
	s := a.found.get(stepListener)
	s.Name, s.Title = stepListener, listens
	if s.State == "" {
		s.State, s.Reason = web.Waiting, "It has not been called yet."
	}
	return s
}

// public tells whether the internet reaches us. Where we do not reach ourselves
// and vendors do, the router is to blame: many let no home call itself.
func (a *App) public() web.Step {
	s := a.found.get(stepPublic)
	s.Name, s.Title = stepPublic, inReach
	switch {
	case a.config.PublicURL == "":
		s.State, s.Reason, s.Remedy = web.Skipped, "PUBLIC_URL is not set: vendors that post webhooks need an address to post to.", ""
	case s.State == "":
		s.State, s.Reason = web.Waiting, "PUBLIC_URL has not been called yet."
	case s.State == web.Failed && a.found.unreached() && a.clock.Now().Sub(time.Unix(0, a.posted.Load())) < proofFor:
		s.State = web.Waiting
		s.Reason = "PUBLIC_URL cannot be reached from here. A webhook came from outside lately, so it may be that this router lets no home call itself."
	}
	return s
}
