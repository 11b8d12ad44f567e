package ecomon

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// values are what a mutation may be given, by the names that the vendor's pages
// have for them.
type values map[string]any

// mutate calls the first of the named mutations that the API has, with those of
// the values that it wants, however they are wrapped.
func (c *Client) mutate(ctx context.Context, v values, names ...string) error {
	m, err := c.mutation(ctx, names...)
	if err != nil {
		return err
	}
	needed := []string{m.Type.bare().Name}
	for _, a := range m.Args {
		needed = append(needed, a.Type.bare().Name)
	}
	if err := c.types(ctx, needed...); err != nil {
		return err
	}
	variables, err := c.fill(ctx, m, m.Args, v, 0)
	if err != nil {
		return err
	}
	var data map[string]json.RawMessage
	if err := c.ask(ctx, c.wording(m, variables), variables, &data); err != nil {
		return err
	}
	var done struct{ Success *bool }
	raw, told := data[m.Name]
	silent := !told || composite(m.Type.bare().Kind) && string(raw) == "null"
	if silent || string(raw) == "false" || json.Unmarshal(raw, &done) == nil && done.Success != nil && !*done.Success {
		return &event.Refusal{Reason: "Ecomon did not do it: " + m.Name + " reports no success.", Status: 200}
	}
	return nil
}

// wording writes the call of a mutation with these variables.
func (c *Client) wording(m field, variables map[string]any) string {
	var heads, args []string
	for _, a := range m.Args {
		if _, ok := variables[a.Name]; ok {
			heads = append(heads, "$"+a.Name+":"+a.Type.String())
			args = append(args, a.Name+":$"+a.Name)
		}
	}
	query := "mutation"
	if len(heads) > 0 {
		query += "(" + strings.Join(heads, ",") + ")"
	}
	query += "{" + m.Name
	if len(args) > 0 {
		query += "(" + strings.Join(args, ",") + ")"
	}
	switch payload := c.known[m.Type.bare().Name]; {
	case !composite(m.Type.bare().Kind):
		return query + "}"
	case payload.kind("success") != "":
		return query + "{success}}"
	}
	return query + "{__typename}}"
}

func composite(kind string) bool { return kind == "OBJECT" || kind == "INTERFACE" || kind == "UNION" }

// fill gives each argument its value. One that is required and has none is an
// error, for a guess could change what is not ours.
func (c *Client) fill(ctx context.Context, m field, args []argument, v values, depth int) (map[string]any, error) {
	const most = 100 // far more than any form has
	if len(args) > most {
		return nil, c.undocumented(m, "so much")
	}
	filled := map[string]any{}
	for _, a := range args {
		bare := a.Type.bare()
		value, ok := v[a.Name]
		switch {
		case a.Name == "alertType" && !a.required():
			ok = false // what it may be is not documented
		case ok && bare.Kind == "ENUM":
			if err := c.types(ctx, bare.Name); err != nil {
				return nil, err
			}
			value, ok = c.word(bare.Name, value)
		case !ok && bare.Kind == "INPUT_OBJECT" && (a.required() || depth == 0) && depth < 2:
			if err := c.types(ctx, bare.Name); err != nil {
				return nil, err
			}
			inner, err := c.fill(ctx, m, c.known[bare.Name].InputFields, v, depth+1)
			if err != nil {
				return nil, err
			}
			value, ok = inner, true
		}
		switch {
		case ok:
			filled[a.Name] = value
		case a.required():
			return nil, c.undocumented(m, a.Name)
		}
	}
	return filled, nil
}

func (c *Client) undocumented(m field, what string) error {
	api := &rest.Client{Secrets: append([]string{c.Key}, c.secrets...)}
	const long = 60
	what = api.Quote(what)
	if runes := []rune(what); len(runes) > long {
		what = string(runes[:long]) + "…"
	}
	return &event.Refusal{Reason: "Ecomon's " + m.Name + " wants “" + what + "”: call it in its Playground."}
}

// word is the value of an enumeration that means what is wanted.
func (c *Client) word(enum string, want any) (any, bool) {
	all := c.known[enum].EnumValues
	i := slices.IndexFunc(all, func(e struct{ Name string }) bool { return e.Name == want })
	if i < 0 {
		return nil, false
	}
	return all[i].Name, true
}
