package addon

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func optionsFile(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "options.json")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRunning(t *testing.T) {
	for _, c := range []struct {
		environ map[string]string
		want    bool
	}{
		{nil, false},
		{map[string]string{"SUPERVISOR_TOKEN": ""}, false},
		{map[string]string{"SUPERVISOR_TOKEN": "x"}, true},
	} {
		if got := Running(c.environ); got != c.want {
			t.Errorf("Running(%v) = %v", c.environ, got)
		}
	}
}

func TestAllowed(t *testing.T) {
	for peer, want := range map[string]bool{
		"172.30.32.2:41000":          true,
		"[::ffff:172.30.32.2]:41000": true,
		"127.0.0.1:41000":            true,
		"127.8.9.1:41000":            true,
		"[::1]:41000":                true,
		"[::ffff:127.0.0.1]:41000":   true,
		"172.30.32.1:41000":          false,
		"172.30.32.20:41000":         false,
		"172.30.33.5:41000":          false,
		"192.168.1.2:41000":          false,
		"[fd0c:ac1e:2100::2]:41000":  false,
		"172.30.32.2":                false,
		"supervisor:80":              false,
		"":                           false,
	} {
		if got := Allowed(peer); got != want {
			t.Errorf("Allowed(%q) = %v", peer, got)
		}
	}
}

func TestEnviron(t *testing.T) {
	defaults := map[string]string{"DATA_DIR": "/data", "WEB_ADDR": ":8099"}
	for _, c := range []struct {
		name    string
		environ map[string]string
		options string
		want    map[string]string
	}{
		{"nothing", nil, `{}`, nil},
		{"nested and flat", nil, `{"equiwatt":{"token":"abc","poll_interval":"30s"},"retention":"90d"}`,
			map[string]string{"EQUIWATT_TOKEN": "abc", "EQUIWATT_POLL_INTERVAL": "30s", "RETENTION": "90d"}},
		{"booleans and numbers", nil, `{"moments_wait":false,"a":true,"b":12,"c":1.50,"d":1e3}`,
			map[string]string{"MOMENTS_WAIT": "false", "A": "true", "B": "12", "C": "1.50", "D": "1e3"}},
		{"empty and null are unset", map[string]string{"PUBLIC_URL": "https://outer"},
			`{"equiwatt":{"token":""},"mqtt":{"url":null},"mqtt2":{},"public_url":""}`,
			map[string]string{"PUBLIC_URL": "https://outer"}},
		{"options win", map[string]string{"LOG_LEVEL": "trace", "OTHER": "stays"}, `{"log_level":"warn"}`,
			map[string]string{"LOG_LEVEL": "warn", "OTHER": "stays"}},
		{"what the Supervisor sets stays", map[string]string{"TZ": "Europe/London", "SUPERVISOR_TOKEN": "real"},
			`{"tz":"UTC","supervisor_token":"forged","supervisor":{"token":"forged"},"hassio_token":"forged"}`,
			map[string]string{"TZ": "Europe/London", "SUPERVISOR_TOKEN": "real"}},
		{"defaults fill only", map[string]string{"DATA_DIR": "/elsewhere"}, `{"web_addr":":1"}`,
			map[string]string{"DATA_DIR": "/elsewhere", "WEB_ADDR": ":1"}},
		{"text stays as it is", nil, ` {"hook_token":" a\"b\u00e4\n=%24 "} `,
			map[string]string{"HOOK_TOKEN": " a\"bä\n=%24 "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := maps.Clone(c.environ)
			got, err := Environ(c.environ, optionsFile(t, c.options))
			if err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(defaults)
			maps.Copy(want, c.want)
			if !maps.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if !maps.Equal(before, c.environ) {
				t.Errorf("the environment given was changed: %q", c.environ)
			}
		})
	}
}

func TestEnvironGoesOnWithAnError(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "options.json")
	for _, c := range []struct {
		name, file, says string
		want             string // LOG_LEVEL afterwards
	}{
		{"no file", missing, "is not there", "debug"},
		{"a folder", t.TempDir(), "is a directory", "debug"},
		{"empty", optionsFile(t, ""), "not valid JSON", "debug"},
		{"cut", optionsFile(t, `{"log_level":"warn","hook_token":"s3cret-s3cr`), "not valid JSON", "debug"},
		{"junk", optionsFile(t, `{"hook_token": s3cret-s3cret}`), "not valid JSON", "debug"},
		{"text behind", optionsFile(t, `{"log_level":"warn"} s3cret`), "not valid JSON", "debug"},
		{"no object", optionsFile(t, `["s3cret"]`), "holds no options", "debug"},
		{"only null", optionsFile(t, `null`), "holds no options", "debug"},
		{"too big", optionsFile(t, `{"a":"`+strings.Repeat("s3cret", 200_000)+`"}`), "too big", "debug"},
		{"a list", optionsFile(t, `{"hook_token":["s3cret"],"log_level":"warn"}`), "hook_token is a list", "warn"},
		{"too deep", optionsFile(t, `{"a":{"b":{"c":{"d":"s3cret"}}},"log_level":"warn"}`), "a.b.c is nested too deeply", "warn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Environ(map[string]string{"LOG_LEVEL": "debug"}, c.file)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "addon: options: ") {
				t.Fatalf("error %v, want one with %q", err, c.says)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error shows a content or has more than one line: %v", err)
			}
			if got["LOG_LEVEL"] != c.want || got["DATA_DIR"] != "/data" || got["WEB_ADDR"] != ":8099" {
				t.Errorf("not usable: %q", got)
			}
		})
	}
}

func FuzzOptions(f *testing.F) {
	f.Add(`{"equiwatt":{"token":"abc"},"moments_wait":true,"n":5}`)
	f.Add(`{"a":[1,2],"b":null,"c":{"d":{"e":{"f":1}}}}`)
	f.Add(`{"SUPERVISOR_TOKEN":"x","t":{"z":1},"TZ":"x"}`)
	f.Add(`{"a":`)
	f.Fuzz(func(t *testing.T, content string) {
		given := map[string]string{"TZ": "Europe/London", "SUPERVISOR_TOKEN": "real", "LOG_LEVEL": "debug"}
		file := optionsFile(t, content)
		got, _ := Environ(given, file)
		again, _ := Environ(given, file)
		if !maps.Equal(got, again) {
			t.Errorf("read twice, got %q and %q", got, again)
		}
		for name := range given {
			if got[name] == "" {
				t.Errorf("%s was lost", name)
			}
		}
		if got["TZ"] != "Europe/London" || got["SUPERVISOR_TOKEN"] != "real" {
			t.Errorf("what the Supervisor sets was overwritten: %q", got)
		}
		if got["DATA_DIR"] == "" || got["WEB_ADDR"] == "" {
			t.Errorf("no defaults: %q", got)
		}
	})
}
