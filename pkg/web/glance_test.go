package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// What the first page says where one thing stands beside another.
func TestOverviewSays(t *testing.T) {
	with, all := from(t), resting(t)
	beside := func(change func(p *Page, e *state.Equivents)) Page {
		p := with(change)
		p.View.Sources = all["limits"].View.Sources
		return p
	}
	rehearsed := func(running bool) Page {
		return with(func(p *Page, _ *state.Equivents) {
			p.Rehearsal = &Rehearsal{Title: "Equiwatt", Began: ago(9 * time.Minute), Running: running, Stages: []Stage{{Title: "The broker has it", At: ago(8 * time.Minute)}, {Title: "Home Assistant has it"}}}
		})
	}
	alone := func(health string) Page {
		return with(func(p *Page, _ *state.Equivents) {
			p.View.Equiwatt, p.Sources = nil, []Source{{Name: "ecomon", Title: "Ecomon", On: true, Health: health}, {Name: "equiwatt"}}
		})
	}
	for name, c := range map[string]struct {
		page      Page
		says, not string
	}{
		"a bad answer":         {beside(func(_ *Page, e *state.Equivents) { e.CloudError = "It is broken." }), "No equivent is running, as Equiwatt said", "That is what"},
		"a webhook is pending": {beside(func(_ *Page, e *state.Equivents) { e.Pending = ago(time.Second) }), "No equivent is running, as Equiwatt said", "That is what"},
		"nothing is known":     {beside(func(_ *Page, e *state.Equivents) { e.Active = nil }), "Whether an equivent is running is not known.", ""},
		"nobody was heard":     {alone(""), "It is not known whether anything is running", "As far as is known"},
		"nobody answers":       {alone(Broken), "the sources below say why", "As far as is known"},
		"somebody was heard":   {alone(Quiet), "As far as is known", "not known whether"},
		"alone":                {with(func(_ *Page, e *state.Equivents) { e.CloudError = "It is broken." }), "That is what Equiwatt said", "No equivent is running"},
		"on its way":           {rehearsed(true), ">waiting<", "The rehearsal is over"},
		"it never came":        {rehearsed(false), "The rehearsal is over, and was not seen to reach Home Assistant", ">waiting<"},
	} {
		got := draw(t, serve(c.page), "/")
		if !strings.Contains(got, c.says) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q and not %q:\n%s", name, c.says, c.not, got)
		}
	}
}

func TestSetupAtAGlance(t *testing.T) {
	for _, c := range []struct {
		steps []Step
		want  string
	}{
		{[]Step{{Title: "A", State: Passed}, {Title: "B", State: Skipped}}, `<li class="good"><a href="setup"><strong>Set-up:</strong> complete</a>`},
		{[]Step{{Title: "A", State: Waiting}, {Title: "B", State: Waiting}}, `<li class="calm"><a href="setup"><strong>Set-up:</strong> A: not seen yet</a>`},
		{[]Step{{Title: "A", State: Waiting}, {Title: "<b>", State: Failed}, {Title: "C", State: Failed}}, `<li class="bad"><a href="setup"><strong>Set-up:</strong> &lt;b&gt;: not yet</a>`},
	} {
		s := serve(calm(t))
		if got := draw(t, s, "/"); strings.Contains(got, `href="setup"><strong>`) {
			t.Error("nobody looked, but something is said")
		}
		s.Checks = func(context.Context, bool) []Step { return c.steps }
		if got := draw(t, s, "/"); !strings.Contains(got, c.want) {
			t.Errorf("no %s in\n%s", c.want, got)
		}
	}
}

// Who measures all the time is not said to have been idle.
func TestTimelineLeavesMetersOut(t *testing.T) {
	p := calm(t)
	p.Sources = append(p.Sources, Source{Name: "openvolt", Title: "Openvolt", On: true, Still: true})
	s := serve(p)
	s.Spans = spans()
	if got := draw(t, s, "/"); !strings.Contains(got, "Nothing happened at Equiwatt, as far") {
		t.Error(got)
	}
}

func TestUnconfirmedDelivery(t *testing.T) {
	d := event.Delivery{Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Verdict: event.Accepted, News: 1, Unconfirmed: true}
	if r := (clock{}).row(d, map[string]string{"equiwatt": "Equiwatt"}); r.Changed != "unconfirmed" || !strings.HasPrefix(r.Meaning, "Equiwatt's cloud did not show it") {
		t.Errorf("%+v", r)
	}
}
