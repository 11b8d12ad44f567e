package addon_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"github.com/grid2mqtt/grid2mqtt/addon"
	"github.com/grid2mqtt/grid2mqtt/pkg/app"
)

// refusing reports why the Supervisor would refuse a value of a type; empty:
// it takes it. Types that refuse what a person may well type are not ours.
func refusing(kind string, value any) string {
	text, isText := value.(string)
	switch choice := regexp.MustCompile(`^list\((.*)\)$`).FindStringSubmatch(kind); {
	case kind == "str?" || kind == "password?":
		if !isText {
			return "wants a text"
		}
	case kind == "bool":
		if _, ok := value.(bool); !ok {
			return "wants true or false"
		}
	case choice != nil:
		if !isText || !slices.Contains(strings.Split(choice[1], "|"), text) {
			return "is none of " + choice[1]
		}
	default:
		return "has a type that refuses too much: " + kind
	}
	return ""
}

func TestOptionsFitTheirSchema(t *testing.T) {
	config := readYAML(t, "config.yaml")
	options, schema := object(config["options"]), object(config["schema"])
	for key := range options {
		if schema[key] == nil {
			t.Errorf("option %s is not in the schema", key)
		}
	}
	for key, kind := range schema {
		value, set := options[key]
		if inner := object(kind); inner != nil {
			// A map counts as required, however optional its fields are.
			if m := object(value); !set || len(m) != 0 {
				t.Errorf("option %s is %v, want {}", key, value)
			}
			for field, kind := range inner {
				if kind != "str?" && kind != "password?" {
					t.Errorf("%s.%s: %v", key, field, kind)
				}
			}
			continue
		}
		optional := strings.HasSuffix(fmt.Sprint(kind), "?")
		if set == optional {
			t.Errorf("%s: %v with default %v: an optional one cannot be cleared, another one must be filled in", key, kind, value)
		}
		if why := refusing(fmt.Sprint(kind), value); set && why != "" {
			t.Errorf("the default of %s %s", key, why)
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	secret := regexp.MustCompile(`(token|password|secret|api_key)$`)
	for key, kind := range object(readYAML(t, "config.yaml")["schema"]) {
		fields := object(kind)
		if fields == nil {
			fields = map[string]any{key: kind}
		}
		for field, kind := range fields {
			if secret.MatchString(field) != (kind == "password?") {
				t.Errorf("%s: %s is %v", key, field, kind)
			}
		}
	}
}

func TestEveryOptionIsTranslated(t *testing.T) {
	config := readYAML(t, "config.yaml")
	files, err := filepath.Glob(filepath.Join(top, "translations/*.yaml"))
	if err != nil || !slices.Contains(files, filepath.Join(top, "translations/en.yaml")) {
		t.Fatalf("no English: %q %v", files, err)
	}
	for _, file := range files {
		rel, _ := filepath.Rel(top, file)
		words := readYAML(t, rel)
		sameKeys(t, rel, object(config["schema"]), object(words["configuration"]))
		if got, want := sortedKeys(object(words["network"])), sortedKeys(object(config["ports"])); !slices.Equal(got, want) {
			t.Errorf("%s: ports %q, want %q", rel, got, want)
		}
	}
}

func sameKeys(t *testing.T, where string, schema, words map[string]any) {
	t.Helper()
	if got, want := sortedKeys(words), sortedKeys(schema); !slices.Equal(got, want) {
		t.Errorf("%s: translated are %q, options are %q", where, got, want)
	}
	for key, kind := range schema {
		entry := object(words[key])
		if name, _ := entry["name"].(string); name == "" {
			t.Errorf("%s: %s has no name", where, key)
		}
		if text, _ := entry["description"].(string); text == "" {
			t.Errorf("%s: %s has no description", where, key)
		}
		if inner := object(kind); inner != nil {
			sameKeys(t, where+" "+key, inner, object(entry["fields"]))
		}
	}
}

// filled gives every option of the schema a value and returns what the
// Supervisor would then write, and each option's name with its variable.
func filled(t *testing.T) (file string, variables map[string]string) {
	t.Helper()
	variables = map[string]string{}
	values := map[string]any{}
	for key, kind := range object(readYAML(t, "config.yaml")["schema"]) {
		if inner := object(kind); inner != nil {
			fields := map[string]any{}
			for field := range inner {
				fields[field] = "x"
				variables[key+": "+field] = strings.ToUpper(key + "_" + field)
			}
			values[key] = fields
			continue
		}
		values[key] = "x"
		variables[key] = strings.ToUpper(key)
	}
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "options.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, variables
}

// documented are the rows of the table in DOCS.md: option and variable.
func documented(t *testing.T) (options, variables []string) {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\|([^|]*)\\| (`[A-Z_`, ]+`) \\|")
	for _, m := range row.FindAllStringSubmatch(read(t, "DOCS.md"), -1) {
		option := strings.TrimSpace(m[1])
		group, fields, nested := strings.Cut(option, ": ")
		switch {
		case nested:
			for field := range strings.SplitSeq(fields, ", ") {
				options = append(options, group+": "+field)
			}
		case option != "":
			options = append(options, option)
		}
		for name := range strings.FieldsFuncSeq(m[2], func(r rune) bool { return strings.ContainsRune("`, ", r) }) {
			variables = append(variables, name)
		}
	}
	return options, variables
}

func TestEveryOptionIsADocumentedVariable(t *testing.T) {
	file, want := filled(t)
	environ, err := addon.Environ(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	options, variables := documented(t)
	for option, variable := range want {
		if environ[variable] != "x" {
			t.Errorf("option %s does not become %s", option, variable)
		}
		if !slices.Contains(variables, variable) {
			t.Errorf("%s is not in the table of DOCS.md", variable)
		}
	}
	slices.Sort(options)
	if names := slices.Sorted(maps.Keys(want)); !slices.Equal(options, names) {
		t.Errorf("DOCS.md lists the options\n%q, there are\n%q", options, names)
	}
}

func TestEveryVariableIsDocumented(t *testing.T) {
	params, err := env.GetFieldParams(&app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, p := range params {
		read = append(read, p.Key)
	}
	_, variables := documented(t)
	slices.Sort(read)
	slices.Sort(variables)
	if !slices.Equal(read, variables) {
		t.Errorf("the program reads\n%q, DOCS.md lists\n%q", read, variables)
	}
}

func TestComposeUsesDocumentedVariables(t *testing.T) {
	_, variables := documented(t)
	services := object(readYAML(t, "compose.yaml")["services"])
	environment := object(object(services["grid2mqtt"])["environment"])
	if len(environment) == 0 {
		t.Fatal("compose.yaml sets nothing")
	}
	for name := range environment {
		if !slices.Contains(variables, name) {
			t.Errorf("compose.yaml sets %s, which DOCS.md does not know", name)
		}
	}
}
