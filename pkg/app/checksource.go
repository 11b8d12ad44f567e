package app

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// answering tells of a source's API.
func (a *App) answering(s source, l state.Link) web.Step {
	step := web.Step{Name: s.name, Title: s.title + "'s cloud answers", State: web.Passed}
	switch {
	case s.poll == nil:
		step.State, step.Reason = web.Skipped, "It is not asked: webhooks alone are believed."
	case l.Error != "":
		step.State, step.Reason, step.Remedy = web.Failed, sentence(l.Error), a.remedy(s)
	case l.Up != nil && !*l.Up:
		step.State, step.Reason, step.Remedy = web.Failed, s.title+" has not answered for too long.", "Is the internet connection up? It is asked again until it answers."
	case l.Up == nil:
		step.State, step.Reason = web.Waiting, s.title+" has not answered yet."
	}
	return step
}

// remedy is what to do about the newest bad answer of a source's API.
func (a *App) remedy(s source) string {
	s.poll.mu.Lock()
	r := s.poll.refusal
	s.poll.mu.Unlock()
	key := a.variable(s, "_API_KEY", "_TOKEN")
	switch {
	case r.Unauthorized:
		return "Compare " + key + " with what " + s.title + " shows, or make a new one there."
	case r.Status == http.StatusTooManyRequests || r.RetryAfter > 0:
		return "Nothing to do: it is asked again after the pause. Does another program use " + key + " too?"
	case r.Status == 0 && strings.HasSuffix(r.Reason, "internet connection up?"):
		return "It is asked again until it answers."
	case r.Status == 0:
		return "Is the internet connection up? It is asked again until it answers."
	case r.Status >= 500:
		return "Nothing to do: it is asked again until it works."
	}
	return "Is " + strings.ToUpper(s.name) + "_URL right? It is asked again until it works."
}

// variable names the first of a source's variables with one of these endings.
func (a *App) variable(s source, endings ...string) string {
	for _, ending := range endings {
		if key := strings.ToUpper(s.name) + ending; slices.Contains(a.keys, key) {
			return key
		}
	}
	return "its key"
}

// signed tells whether a source's signature was seen to be right; ok is false
// where it does not sign.
func (a *App) signed(s source) (step web.Step, ok bool) {
	step = web.Step{Name: s.name + "_signature", Title: s.title + "'s signature is known", State: web.Passed}
	spurned, _ := a.spurned.Load(s.name)
	last := a.heardAt(s.name)
	switch {
	case s.signature == nil && s.hooks.Verify == nil:
		return step, false
	case spurned != nil && spurned.(time.Time).After(last):
		step.State, step.Reason = web.Failed, s.title+"'s last webhook came with a wrong signature, and was refused."
		step.Remedy = "Compare " + a.variable(s, "_SECRET", "_TOKEN") + " with the one at " + s.title + "."
	case s.signature != nil:
		step.State, step.Reason, step.Remedy = s.signature(a)
	case last.IsZero():
		step.State, step.Reason = web.Waiting, "No signed webhook of "+s.title+" has come yet."
	}
	return step, true
}

// hooked tells whether a webhook has ever come.
func (a *App) hooked(s source) web.Step {
	step := web.Step{Name: s.name + "_webhook", Title: "A webhook of " + s.title + " has come", State: web.Passed}
	if last := a.heardAt(s.name); last.IsZero() {
		step.State, step.Reason = web.Waiting, "No webhook of "+s.title+" has come yet."
		step.Remedy = "Give " + s.title + " the hook URL that the page shows."
		if s.registrar != nil && s.registrar.register != nil && a.config.PublicURL != "" {
			step.Remedy = "Register it on the page, or with grid2mqtt hooks register " + s.name + "."
		}
		if s.poll != nil && s.poll.next == nil {
			step.Reason += " It is asked every " + spoken(s.poll.interval) + " all the same."
		}
	} else {
		step.At = last
	}
	return step
}

// spoken is a duration as one says it after "every".
func spoken(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "minute"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + " minutes"
	}
	return strconv.Itoa(int(d/time.Second)) + " seconds"
}

// heardAt returns when a source's last webhook came, as far as memory knows.
func (a *App) heardAt(source string) (at time.Time) {
	if v, ok := a.heard.Load(source); ok {
		at, _ = v.(time.Time)
	}
	return at
}

// spurn notes a webhook that was refused.
func (a *App) spurn(source, why string) {
	if why == intake.RefusedSignature {
		a.spurned.Store(source, a.clock.Now())
	}
}

// outside notes when a webhook came over the hook listener.
func (a *App) outside(d event.Delivery) {
	if d.Via == event.ViaHTTP && d.Received.UnixNano() > a.posted.Load() {
		a.posted.Store(d.Received.UnixNano())
	}
}
