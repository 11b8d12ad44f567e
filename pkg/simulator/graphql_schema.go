package simulator

import (
	"maps"
	"slices"
	"strings"
)

// introspection are the types in which a schema speaks of itself
// (https://spec.graphql.org/October2021/#sec-Introspection), as far as anybody asks.
func introspection() []*graphType {
	deprecated := []graphInput{{"includeDeprecated", "Boolean"}}
	return []*graphType{
		{kind: "OBJECT", name: "__Schema", fields: []graphField{
			{name: "queryType", kind: "__Type!"}, {name: "mutationType", kind: "__Type"}, {name: "types", kind: "[__Type!]!"},
		}},
		{kind: "OBJECT", name: "__Type", fields: []graphField{
			{name: "kind", kind: "String!"}, {name: "name", kind: "String"}, {name: "ofType", kind: "__Type", answer: later("ofType")},
			{name: "fields", kind: "[__Field!]", args: deprecated, answer: later("fields")}, {name: "inputFields", kind: "[__InputValue!]", answer: later("inputFields")},
			{name: "enumValues", kind: "[__EnumValue!]", args: deprecated}, {name: "possibleTypes", kind: "[__Type!]", answer: later("possibleTypes")},
		}},
		{kind: "OBJECT", name: "__Field", fields: []graphField{
			{name: "name", kind: "String!"}, {name: "args", kind: "[__InputValue!]!"}, {name: "type", kind: "__Type!"},
		}},
		{kind: "OBJECT", name: "__InputValue", fields: []graphField{
			{name: "name", kind: "String!"}, {name: "type", kind: "__Type!"}, {name: "defaultValue", kind: "String"},
		}},
		{kind: "OBJECT", name: "__EnumValue", fields: []graphField{{name: "name", kind: "String!"}}},
	}
}

// later answers with what a member makes: a type tells of types that tell of it.
func later(name string) func(any, map[string]any) any {
	return func(of any, _ map[string]any) any {
		if make, ok := of.(things)[name].(func() any); ok {
			return make()
		}
		return nil
	}
}

func (g *graph) schema() things {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(g.types)) {
		all = append(all, g.told(name))
	}
	return things{"queryType": g.told("Query"), "mutationType": g.told("Mutation"), "types": all}
}

// told is what the schema tells of a named type; nil: there is none.
func (g *graph) told(name string) any {
	t := g.types[name]
	if t == nil {
		return nil
	}
	told := things{"kind": t.kind, "name": t.name}
	switch t.kind {
	case "OBJECT":
		told["fields"] = func() any {
			list := []any{}
			for _, f := range t.fields {
				if !strings.HasPrefix(f.name, "__") {
					list = append(list, things{"name": f.name, "args": g.inputs(f.args), "type": g.ref(f.kind)})
				}
			}
			return list
		}
	case "INPUT_OBJECT":
		told["inputFields"] = func() any { return g.inputs(t.inputs) }
	case "UNION":
		told["possibleTypes"] = func() any {
			list := []any{}
			for _, m := range t.members {
				list = append(list, g.told(m))
			}
			return list
		}
	case "ENUM":
		list := []any{}
		for _, word := range t.words {
			list = append(list, things{"name": word})
		}
		told["enumValues"] = list
	}
	return told
}

func (g *graph) inputs(inputs []graphInput) any {
	list := []any{}
	for _, in := range inputs {
		list = append(list, things{"name": in.name, "type": g.ref(in.kind)})
	}
	return list
}

// ref is a type with what wraps it.
func (g *graph) ref(kind string) any {
	wrapped := func(how, inner string) any {
		return things{"kind": how, "ofType": func() any { return g.ref(inner) }}
	}
	if inner, ok := strings.CutSuffix(kind, "!"); ok {
		return wrapped("NON_NULL", inner)
	}
	if inner, ok := strings.CutPrefix(kind, "["); ok {
		return wrapped("LIST", strings.TrimSuffix(inner, "]"))
	}
	return g.told(kind)
}
