package ecomon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// typeRef is a type as introspection tells it: wrapped in NON_NULL and LIST.
type typeRef struct {
	Kind   string
	Name   string
	OfType *typeRef
}

// String is the type as it is written in a query.
func (t typeRef) String() string {
	switch {
	case t.OfType == nil:
		return t.Name
	case t.Kind == "NON_NULL":
		return t.OfType.String() + "!"
	}
	return "[" + t.OfType.String() + "]"
}

// bare is the type without what wraps it.
func (t typeRef) bare() typeRef {
	for t.OfType != nil {
		t = *t.OfType
	}
	return t
}

type argument struct {
	Name         string
	Type         typeRef
	DefaultValue *string
}

func (a argument) required() bool { return a.Type.Kind == "NON_NULL" && a.DefaultValue == nil }

type field struct {
	Name string
	Args []argument
	Type typeRef
}

type object struct {
	Kind          string
	Name          string
	Fields        []field
	InputFields   []argument
	EnumValues    []struct{ Name string }
	PossibleTypes []struct{ Name string }
}

// kind is that of a field; empty: there is none of that name.
func (o object) kind(name string) string {
	i := slices.IndexFunc(o.Fields, func(f field) bool { return f.Name == name })
	if i < 0 {
		return ""
	}
	return o.Fields[i].Type.bare().Kind
}

const refs = "kind name ofType{kind name ofType{kind name ofType{kind name}}}"

// byHand is what to do where the API does not tell what it can do.
const byHand = "Ecomon's API does not tell what it can do: in its Playground, call setIntermediaryWebhookSetting, " +
	"then addIntermediaryWebhookNotificationChannelToAlertSetting."

// introspect asks once what the API can do. The error is a failure where it
// keeps that to itself.
func (c *Client) introspect(ctx context.Context) error {
	if c.mutations != nil {
		return nil
	}
	var data struct {
		Schema struct {
			MutationType struct{ Fields []field }
			Types        []object
		} `json:"__schema"`
	}
	query := "{__schema{mutationType{fields(includeDeprecated:true){name args{name defaultValue type{" + refs + "}} type{" + refs + "}}} " +
		"types{name possibleTypes{name}}}}"
	if err := c.ask(ctx, query, nil, &data); err != nil {
		return err
	}
	c.mutations, c.unions = data.Schema.MutationType.Fields, map[string][]string{}
	for _, t := range data.Schema.Types {
		for _, p := range t.PossibleTypes {
			c.unions[t.Name] = append(c.unions[t.Name], p.Name)
		}
	}
	return nil
}

// mutation returns the first of the named mutations that the API has.
func (c *Client) mutation(ctx context.Context, names ...string) (field, error) {
	if err := c.introspect(ctx); err != nil {
		if f := (failure{}); errors.As(err, &f) {
			return field{}, &event.Refusal{Reason: byHand, Status: f.Status}
		}
		return field{}, err
	}
	for _, name := range names {
		if i := slices.IndexFunc(c.mutations, func(f field) bool { return f.Name == name }); i >= 0 {
			return c.mutations[i], nil
		}
	}
	return field{}, &event.Refusal{Reason: "Ecomon's API has no " + strings.Join(names, " and no ") + "; see its Playground."}
}

// types makes what the API tells of the named types known, in one call.
func (c *Client) types(ctx context.Context, names ...string) error {
	query := strings.Builder{}
	for _, name := range names {
		if _, ok := c.known[name]; ok || name == "" || strings.Contains(query.String(), `"`+name+`"`) {
			continue
		}
		fmt.Fprintf(&query, "t%d:__type(name:%q){kind name fields(includeDeprecated:true){name type{%s}} inputFields{name defaultValue type{%s}} "+
			"enumValues{name}}", query.Len(), name, refs, refs)
	}
	if query.Len() == 0 {
		return nil
	}
	var data map[string]*object
	if err := c.ask(ctx, "{"+query.String()+"}", nil, &data); err != nil {
		return err
	}
	if c.known == nil {
		c.known = map[string]object{}
	}
	for _, name := range names {
		if _, ok := c.known[name]; !ok {
			c.known[name] = object{} // a type that there is not is not asked for again
		}
	}
	for _, o := range data {
		if o != nil {
			c.known[o.Name] = *o
		}
	}
	return nil
}
