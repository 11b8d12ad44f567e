package main

import (
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		want int
		says string // on the standard error
	}{
		"version":              {[]string{"version"}, nil, 0, ""},
		"no such command":      {[]string{"go"}, nil, 2, `"go" is no command`},
		"nobody is healthy":    {[]string{"healthcheck"}, map[string]string{"WEB_ADDR": "127.0.0.1:1"}, 1, "127.0.0.1:1"},
		"broken":               {[]string{"check"}, map[string]string{"WEB_ADDR": "127.0.0.1:1"}, 1, "something is broken: configuration"},
		"unusable":             {nil, map[string]string{"RETENTION": "soon"}, 2, "RETENTION"},
		"unusable for leaving": {[]string{"leave"}, map[string]string{"RETENTION": "soon"}, 2, "RETENTION"},
		"hooks, but what":      {[]string{"hooks"}, nil, 2, "list, check, register, remove, test"},
		"hooks, never started": {[]string{"hooks", "list"}, map[string]string{"DATA_DIR": t.TempDir(), "EQUIWATT_TOKEN": "t"}, 1, "HOOK_TOKEN"},
		"hooks of nobody":      {[]string{"hooks", "list"}, map[string]string{"HOOK_TOKEN": "0123456789abcdefghijklmnop"}, 1, "no source is set up"},
		"no broker to leave":   {[]string{"leave"}, map[string]string{"DATA_DIR": t.TempDir()}, 1, "MQTT_URL"},
		"broker out of reach":  {[]string{"leave"}, map[string]string{"DATA_DIR": t.TempDir(), "MQTT_URL": "mqtt://127.0.0.1:1"}, 1, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if got := run(t.Context(), tt.args, tt.env, &stdout, &stderr); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
			lines := strings.Count(stderr.String(), "\n")
			if !strings.Contains(stderr.String(), tt.says) || lines != map[bool]int{true: 1}[tt.says != ""] {
				t.Errorf("said %q", stderr.String())
			}
		})
	}
}
