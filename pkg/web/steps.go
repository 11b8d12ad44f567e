package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// setup is the page of what is set up, and what is missing.
type setup struct {
	*frame
	Checks   []step
	Standing standing
	Steps    []string
	Sources  []source
	Bundle   bool
	Away     bool   // we were taken off the broker
	Presence action // ends or begins that
	hooks
}

type step struct {
	Title, State, Mark, Reason, Remedy string
	At                                 *instant
	First                              bool // the first that is broken
}

// standing is how far the set-up is.
type standing struct{ Words, Tone string }

func standingOf(checks []Step) standing {
	if s, broken := FirstFailed(checks); broken {
		return standing{printable(s.Title) + ": not yet", "bad"}
	}
	for _, s := range checks {
		if s.State == Waiting {
			return standing{printable(s.Title) + ": not seen yet", "calm"}
		}
	}
	return standing{"complete", "good"}
}

// standing returns nil where nobody looks.
func (s *Server) standing(ctx context.Context) *standing {
	if s.Checks == nil {
		return nil
	}
	how := standingOf(s.Checks(ctx, false))
	return &how
}

var marks = map[string]string{Passed: "✓", Failed: "✗", Waiting: "…", Skipped: "–"}

// setup makes the page of setting up.
func (s *Server) setup(ctx context.Context, p Page, q url.Values) sheet {
	f := s.newFrame(p, q)
	f.Here, f.Title = "setup", "Set-up"
	m := &setup{frame: f, Steps: sentences(p.Steps), Bundle: s.Records.Bundle != nil, hooks: f.clock.hooks(p)}
	m.Away, m.Presence = p.Away, presence(p.Away)
	var checks []Step
	if s.Checks != nil {
		checks = s.Checks(ctx, false)
	}
	m.Standing = standingOf(checks)
	broken := false
	for _, c := range checks {
		row := step{Title: printable(c.Title), State: c.State, Mark: marks[c.State], Reason: printable(c.Reason), Remedy: printable(c.Remedy), At: f.clock.at(c.At)}
		switch {
		case row.Mark == "":
			row.State, row.Mark = Skipped, marks[Skipped]
		case c.State == Failed && !broken:
			broken, row.First = true, true
		}
		m.Checks = append(m.Checks, row)
	}
	for _, src := range p.Sources {
		m.Sources = append(m.Sources, f.clock.source(src, p))
	}
	return sheet{file: "setup.html", model: m, frame: f, live: url.Values{"of": {"setup"}}, parts: []string{"broker", "checks", "hooks"}}
}

// presence is the button that takes us off the broker, or lets us come back.
func presence(away bool) action {
	if away {
		return action{Action: Action{Label: "Come back", Tip: "Publishes everything again", Name: "return"}}
	}
	return action{Action: Action{Label: "Leave the broker", Tip: "All devices of Grid2MQTT go from Home Assistant. Leave the broker?", Name: "leave", Danger: true}}
}

func (s *Server) bundle(w http.ResponseWriter, r *http.Request) {
	if s.Records.Bundle == nil {
		say(w, http.StatusNotFound, "There is nothing here.")
		return
	}
	zip, err := s.Records.Bundle(r.Context())
	if err != nil {
		say(w, http.StatusServiceUnavailable, printable(err.Error()))
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="grid2mqtt-support.zip"`)
	write(w, http.StatusOK, "application/zip", zip)
}

func (s *Server) sample(w http.ResponseWriter, r *http.Request) {
	id := positive(r.URL.Query().Get("id"))
	if s.Records.Sample == nil || id == 0 {
		say(w, http.StatusNotFound, "There is nothing here.")
		return
	}
	text, err := s.Records.Sample(r.Context(), id)
	if err != nil {
		say(w, http.StatusNotFound, printable(err.Error()))
		return
	}
	write(w, http.StatusOK, "text/plain; charset=utf-8", []byte(text))
}

// logbook is the page of what the program says about itself.
type logbook struct {
	*frame
	Level  string
	Levels []choice
	Lines  []line
	Bundle bool
}

type line struct {
	At                        *instant
	Level, Tone, Source, Text string
}

var levels = []string{"trace", "debug", "info", "warn", "error"}

var tones = map[string]string{"warn": "warn", "error": "bad", "fatal": "bad", "panic": "bad", "info": "good"}

// log makes the page of the log.
func (s *Server) log(_ context.Context, p Page, q url.Values) sheet {
	f := s.newFrame(p, q)
	f.Here, f.Title = "log", "Log"
	m := &logbook{frame: f, Level: "info", Bundle: s.Records.Bundle != nil}
	for _, l := range levels {
		if q.Get("level") == l {
			m.Level = l
		}
	}
	for _, l := range levels {
		m.Levels = append(m.Levels, choice{Value: l, Label: l, Chosen: l == m.Level})
	}
	if s.Records.Lines != nil {
		for _, l := range s.Records.Lines(m.Level) {
			tone := tones[l.Level]
			if tone == "" {
				tone = "calm"
			}
			m.Lines = append(m.Lines, line{At: f.clock.at(l.At), Level: printable(l.Level), Tone: tone, Source: printable(l.Source), Text: strings.TrimSpace(printable(l.Text))})
		}
	}
	return sheet{file: "log.html", model: m, frame: f, live: url.Values{"of": {"log"}, "level": {m.Level}}, parts: []string{"broker", "lines"}}
}
