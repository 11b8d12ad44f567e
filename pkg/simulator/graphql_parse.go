package simulator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// graphDocument is one operation of a GraphQL request, as far as vendors'
// customers write them: no named fragments, no directives.
type graphDocument struct {
	mutation  bool
	variables map[string]string // the type of each
	selection []graphSelection
}

// graphSelection is a field, or with on an inline fragment.
type graphSelection struct {
	alias, name string
	on          string
	args        map[string]any // a graphVariable stands for its value
	selection   []graphSelection
}

type graphVariable string

var graphToken = regexp.MustCompile(`^(?:[\s,\x{feff}]|#[^\n]*)*(\.\.\.|[_A-Za-z][_0-9A-Za-z]*|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|"(?:[^"\\\n]|\\.)*"|[!$():=@\[\]{|}])`)

// graphParser reads tokens; what it does not understand panics as a graphError,
// which parseGraph returns.
type graphParser struct{ rest string }

type graphError string

func (e graphError) Error() string { return string(e) }

func graphFail(format string, args ...any) { panic(graphError(fmt.Sprintf(format, args...))) }

// caught turns the panic of a graphError into an error.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case graphError:
		*err = r
	default:
		panic(r)
	}
}

func parseGraph(query string) (d graphDocument, err error) {
	defer caught(&err)
	p := &graphParser{rest: query}
	d.variables = map[string]string{}
	if p.peek() != "{" {
		word := p.next()
		if d.mutation = word == "mutation"; !d.mutation && word != "query" {
			graphFail("Syntax Error: Unexpected Name %q.", word)
		}
		if next := p.peek(); next != "{" && next != "(" {
			p.next() // the operation's name
		}
		if p.peek() == "(" {
			p.declarations(d.variables)
		}
	}
	d.selection = p.selections()
	if end := p.peek(); end != "" {
		graphFail("Syntax Error: Unexpected %q.", end)
	}
	return d, nil
}

func (p *graphParser) peek() string {
	m := graphToken.FindStringSubmatch(p.rest)
	if m == nil {
		if strings.Trim(p.rest, " \t\r\n,") != "" {
			graphFail("Syntax Error: Unexpected character in %.20q.", p.rest)
		}
		return ""
	}
	return m[1]
}

func (p *graphParser) next() string {
	m := graphToken.FindStringSubmatch(p.rest)
	if m == nil {
		graphFail("Syntax Error: Unexpected <EOF>.")
	}
	p.rest = p.rest[len(m[0]):]
	return m[1]
}

func (p *graphParser) expect(token string) {
	if got := p.next(); got != token {
		graphFail("Syntax Error: Expected %q, found %q.", token, got)
	}
}

// declarations reads "($a: Type!, …)".
func (p *graphParser) declarations(into map[string]string) {
	for p.expect("("); p.peek() != ")"; {
		p.expect("$")
		name, kind := p.next(), ""
		for p.expect(":"); ; {
			kind += p.next()
			if next := p.peek(); next != "!" && next != "]" && !strings.HasSuffix(kind, "[") {
				break
			}
		}
		into[name] = kind
	}
	p.next()
}

func (p *graphParser) selections() (list []graphSelection) {
	for p.expect("{"); p.peek() != "}"; {
		var s graphSelection
		if s.name = p.next(); s.name == "..." {
			p.expect("on")
			s.on = p.next()
		} else if s.alias = s.name; p.peek() == ":" {
			p.next()
			s.name = p.next()
		}
		if p.peek() == "(" {
			s.args = map[string]any{}
			for p.next(); p.peek() != ")"; {
				name := p.next()
				p.expect(":")
				s.args[name] = p.value()
			}
			p.next()
		}
		if p.peek() == "{" {
			s.selection = p.selections()
		}
		list = append(list, s)
	}
	p.next()
	if len(list) == 0 {
		graphFail("Syntax Error: Expected Name, found \"}\".")
	}
	return list
}

func (p *graphParser) value() (v any) {
	switch token := p.next(); token {
	case "$":
		return graphVariable(p.next())
	case "[":
		list := []any{}
		for p.peek() != "]" {
			list = append(list, p.value())
		}
		p.next()
		return list
	case "{":
		object := map[string]any{}
		for p.peek() != "}" {
			name := p.next()
			p.expect(":")
			object[name] = p.value()
		}
		p.next()
		return object
	default:
		if json.Unmarshal([]byte(token), &v) != nil {
			v = token // a word of an enumeration
		}
		return v
	}
}
