package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// graph is a GraphQL schema and what stands behind it. Its types are named as
// in the schema language: "[Thing!]!".
type graph struct {
	types  map[string]*graphType
	closed bool // introspection is refused
}

type graphType struct {
	kind, name string
	fields     []graphField
	inputs     []graphInput
	words      []string // of an enumeration
	members    []string // of a union
}

type graphField struct {
	name, kind string
	args       []graphInput
	answer     func(of any, args map[string]any) any // nil: the member of that name
}

type graphInput struct{ name, kind string }

// things are what an object holds; "__typename" names its type where a union
// leaves it open.
type things = map[string]any

func newGraph(types ...*graphType) *graph {
	g := &graph{types: map[string]*graphType{}}
	for _, name := range []string{"Int", "Float", "String", "Boolean", "ID"} {
		g.types[name] = &graphType{kind: "SCALAR", name: name}
	}
	for _, t := range append(types, introspection()...) {
		g.types[t.name] = t
	}
	root := g.types["Query"]
	root.fields = append(slices.Clip(root.fields),
		graphField{name: "__schema", kind: "__Schema!", answer: func(any, map[string]any) any { return g.schema() }},
		graphField{name: "__type", kind: "__Type", args: []graphInput{{"name", "String!"}}, answer: func(_ any, args map[string]any) any {
			name, _ := args["name"].(string)
			return g.told(name)
		}})
	return g
}

// answer carries out a request, {"query", "variables"}, and returns the status
// and what goes back.
func (g *graph) answer(body []byte) (status int, reply any) {
	var request struct {
		Query     string
		Variables map[string]any
	}
	if json.Unmarshal(body, &request) != nil {
		return graphRefusal("POST body missing, invalid Content-Type, or JSON object has no keys.", "BAD_REQUEST")
	}
	d, err := parseGraph(request.Query)
	if err != nil {
		return graphRefusal(err.Error(), "GRAPHQL_PARSE_FAILED")
	}
	root := "Query"
	if d.mutation {
		root = "Mutation"
	}
	data, err := g.run(d, root, request.Variables)
	if err != nil {
		return graphRefusal(err.Error(), "GRAPHQL_VALIDATION_FAILED")
	}
	return 200, things{"data": data}
}

// GraphQLError answers 200 with an error of that message and code, and no data.
func GraphQLError(message, code string) Fault {
	_, reply := graphRefusal(message, code)
	text, _ := json.Marshal(reply) // texts only: cannot fail
	return Raw(200, nil, string(text))
}

func graphRefusal(message, code string) (int, any) {
	return 400, things{"errors": []any{things{"message": message, "extensions": things{"code": code}}}}
}

func (g *graph) run(d graphDocument, root string, given map[string]any) (data any, err error) {
	defer caught(&err)
	for name, kind := range d.variables {
		if v, ok := given[name]; ok {
			g.fits(kind, v, "Variable \"$"+name+"\" got invalid value")
		} else if strings.HasSuffix(kind, "!") {
			graphFail("Variable \"$%s\" of required type %q was not provided.", name, kind)
		}
	}
	w := graphWalk{g, d, given}
	w.check(g.types[root], d.selection) // what cannot be asked changes nothing
	return w.object(g.types[root], things{}, d.selection), nil
}

// bare is a type's name without what wraps it.
func bare(kind string) string { return strings.Trim(kind, "[]!") }

// fits panics where a value is none of that type.
func (g *graph) fits(kind string, v any, where string) {
	inner, required := strings.CutSuffix(kind, "!")
	if v == nil {
		if required {
			graphFail("%s null; Expected non-nullable type %q not to be null.", where, kind)
		}
		return
	}
	t := g.types[inner]
	if t == nil {
		graphFail("Unknown type %q.", inner)
	}
	if t.kind == "INPUT_OBJECT" {
		object, ok := v.(map[string]any)
		if !ok {
			graphFail("%s; Expected type %q to be an object.", where, inner)
		}
		g.complete(t.inputs, object, where, inner)
		return
	}
	_, text := v.(string)
	number, isNumber := v.(float64)
	good := map[string]bool{
		"String": text, "ID": text || isNumber, "Float": isNumber, "Int": isNumber && number == float64(int32(number)), "Boolean": v == true || v == false,
	}
	if ok, scalar := good[inner]; scalar && !ok || !scalar && !(text && slices.Contains(t.words, v.(string))) {
		graphFail("%s; %s cannot represent value: %v", where, inner, v)
	}
}

// complete panics where an input is missing, or there is no such input.
func (g *graph) complete(inputs []graphInput, given map[string]any, where, what string) {
	for _, in := range inputs {
		if v, ok := given[in.name]; ok {
			g.fits(in.kind, v, where)
		} else if strings.HasSuffix(in.kind, "!") {
			graphFail("%s; Field %q of required type %q was not provided.", where, in.name, in.kind)
		}
	}
	for name := range given {
		if !slices.ContainsFunc(inputs, func(in graphInput) bool { return in.name == name }) {
			graphFail("%s; Field %q is not defined by type %q.", where, name, what)
		}
	}
}

// graphWalk goes through a selection.
type graphWalk struct {
	*graph
	document graphDocument
	given    map[string]any
}

var typename = graphField{name: "__typename", kind: "String!"}

func (w graphWalk) field(t *graphType, s graphSelection) graphField {
	if s.name == typename.name {
		return typename
	}
	i := slices.IndexFunc(t.fields, func(f graphField) bool { return f.name == s.name })
	if i < 0 {
		graphFail("Cannot query field %q on type %q.", s.name, t.name)
	}
	if w.closed && strings.HasPrefix(s.name, "__") {
		graphFail("GraphQL introspection is not allowed, but the query contained %s.", s.name)
	}
	return t.fields[i]
}

// check panics where the schema has no answer to a selection.
func (w graphWalk) check(t *graphType, selection []graphSelection) {
	for _, s := range selection {
		if s.on != "" {
			on := w.types[s.on]
			if on == nil || on != t && !slices.Contains(t.members, s.on) {
				graphFail("Fragment cannot be spread here as objects of type %q can never be of type %q.", t.name, s.on)
			}
			w.check(on, s.selection)
			continue
		}
		f := w.field(t, s)
		for name, v := range s.args {
			i := slices.IndexFunc(f.args, func(in graphInput) bool { return in.name == name })
			variable, is := v.(graphVariable)
			if declared := w.document.variables[string(variable)]; is && i >= 0 && declared != f.args[i].kind && declared != f.args[i].kind+"!" {
				graphFail("Variable \"$%s\" of type %q used in position expecting type %q.", variable, declared, f.args[i].kind)
			}
		}
		w.complete(f.args, w.args(s), "Field \""+s.name+"\"", t.name)
		inner := w.types[bare(f.kind)]
		leaf := inner.kind == "SCALAR" || inner.kind == "ENUM"
		switch {
		case leaf && s.selection != nil:
			graphFail("Field %q must not have a selection since type %q has no subfields.", s.name, f.kind)
		case !leaf && s.selection == nil:
			graphFail("Field %q of type %q must have a selection of subfields.", s.name, f.kind)
		case !leaf:
			w.check(inner, s.selection)
		}
	}
}

func (w graphWalk) args(s graphSelection) map[string]any {
	args := map[string]any{}
	for name, v := range s.args {
		if variable, is := v.(graphVariable); is {
			var ok bool
			if v, ok = w.given[string(variable)]; !ok {
				continue
			}
		}
		args[name] = v
	}
	return args
}

// object is what an object says to a selection.
func (w graphWalk) object(t *graphType, of any, selection []graphSelection) things {
	said := things{}
	for _, s := range selection {
		if s.on != "" {
			if s.on == t.name {
				maps.Copy(said, w.object(t, of, s.selection))
			}
			continue
		}
		f := w.field(t, s)
		v := any(t.name)
		switch held, _ := of.(things); {
		case f.name == typename.name:
		case f.answer != nil:
			v = f.answer(of, w.args(s))
		default:
			v = held[f.name]
		}
		said[s.alias] = w.value(f.kind, v, s.selection)
	}
	return said
}

func (w graphWalk) value(kind string, v any, selection []graphSelection) any {
	if list, ok := v.([]any); ok {
		all := []any{}
		for _, item := range list {
			all = append(all, w.value(kind, item, selection))
		}
		return all
	}
	t := w.types[bare(kind)]
	object, is := v.(things)
	if !is || t.kind == "SCALAR" || t.kind == "ENUM" {
		return v
	}
	if t.kind == "UNION" {
		name, _ := object["__typename"].(string)
		t = w.types[name]
	}
	return w.object(t, object, selection)
}
