package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// mostActive is how many things that are going on are named; a thousand
// chargers are counted.
const mostActive = 6

// going is something that goes on now, beside Equiwatt's equivent.
type going struct {
	Look, Title, Detail string
	Since, Until        *instant
}

// around is what goes on, by its kind.
type around struct {
	dispatch, limits, charges int

	rehearsed bool // a source but Equiwatt is rehearsed

	list []going
}

// around looks through the devices of all sources.
func (c clock) around(p Page) (a around) {
	names := titles(p)
	for _, s := range p.View.Sources {
		if r := s.Rehearsal; r != nil && s.Name != "equiwatt" {
			a.rehearsed = true
			a.add(going{Title: "Rehearsal of " + names[s.Name], Since: c.at(r.Start), Until: c.at(r.End)}, s.Name)
		}
		for _, d := range s.Devices.All() {
			switch v := d.State.(type) {
			case *state.Response:
				if v.Active != nil && *v.Active && v.Running != nil {
					a.dispatch++
					a.add(going{Title: printable(cmp.Or(v.Running.Name, "Dispatch event")), Detail: wish(v.Running.Direction), Since: c.at(v.Running.Start), Until: c.at(v.Running.End)}, s.Name)
				}
			case *state.Reader:
				// A warning that is only rehearsed comes from no alert of this hour.
				if v.Warning && !(v.Rehearsal && v.LastAlert.Before(c.now.Truncate(time.Hour))) {
					a.limits++
					a.add(going{Title: names[s.Name] + " " + printable(d.ID), Detail: reader(v), Since: c.at(v.LastAlert)}, s.Name)
				}
			case *state.Connector:
				if v.Running && v.Charging == nil || v.Charging != nil && *v.Charging && (!v.Rehearsal || v.Running) {
					a.charges++
					if len(a.list) < mostActive {
						a.add(c.charge(v), s.Name)
					}
				}
			}
		}
	}
	return a
}

func (a *around) add(g going, source string) {
	if len(a.list) < mostActive {
		g.Look = look(source)
		a.list = append(a.list, g)
	}
}

func (c clock) charge(v *state.Connector) going {
	g := going{Title: printable(v.Charger) + ", connector " + strconv.Itoa(v.ID), Since: c.at(v.SessionStart)}
	if v.SessionEnergy != nil {
		g.Detail = strconv.FormatFloat(*v.SessionEnergy, 'f', 1, 64) + " kWh"
	}
	return g
}

// reader is an alert in figures.
func reader(v *state.Reader) string {
	var parts []string
	for _, f := range []struct {
		name string
		wh   *float64
	}{{"used ", v.Consumption}, {"limit ", v.Limit}, {"expected ", v.Projection}} {
		if f.wh != nil {
			parts = append(parts, f.name+strconv.FormatFloat(*f.wh, 'f', -1, 64)+" Wh")
		}
	}
	return strings.Join(parts, ", ")
}

func wish(direction string) string {
	switch direction {
	case "":
		return ""
	case "powerDOWN":
		return "use less"
	case "powerUP":
		return "use more"
	}
	return printable(direction)
}

// more is how many are not named.
func (a around) more() int { return max(0, a.dispatch+a.limits+a.charges-len(a.list)) }

// headline answers the first question in one line, and how it looks.
func (a around) headline(p Page) (words, tone string) {
	e := p.View.Equiwatt
	on := slices.ContainsFunc(p.Sources, func(s Source) bool { return s.On })
	switch {
	case !on && e == nil:
		return "Nothing is set up yet", "off"
	case e != nil && e.Running != nil && e.Running.Source == "rehearsal" && a.dispatch == 0:
		return "A rehearsal is running", "rehearse"
	case e != nil && (e.Running != nil || e.Active != nil && *e.Active):
		return "An equivent is running", "run"
	case a.dispatch > 0:
		return "A dispatch event is running", "run"
	case a.limits > 0:
		return "An hourly limit is in danger", "run"
	case a.charges == 1:
		return "A charge is running", "charge"
	case a.charges > 1:
		return strconv.Itoa(a.charges) + " charges are running", "charge"
	case a.rehearsed:
		return "A rehearsal is running", "rehearse"
	case e != nil && e.Active == nil:
		return "It is not known whether an equivent is running", "unknown"
	case e == nil && !slices.ContainsFunc(p.Sources, func(s Source) bool { return s.On && (s.Health == Fresh || s.Health == Quiet) }):
		return "It is not known whether anything is running", "unknown"
	}
	return "Nothing is running", "idle"
}

// quota is what is left of a vendor's calls, where the vendor says so.
func (c clock) quota(p Page, source string) string {
	for _, d := range p.View.Source(source).Devices.All() {
		v, ok := d.State.(*state.Chargers)
		if !ok || v.Quota == nil {
			continue
		}
		text := strconv.Itoa(*v.Quota)
		if v.Limit != nil {
			text += " of " + strconv.Itoa(*v.Limit)
		}
		text += " calls left"
		if v.Reset.After(c.now) && v.Reset.Sub(c.now) < 48*time.Hour {
			text += " until " + c.at(v.Reset).Short()
		}
		return text
	}
	return ""
}
