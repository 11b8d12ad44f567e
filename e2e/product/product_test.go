package product

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// standIn is built in the same way as the product and keeps its promises to those who start it.
func standIn(t *testing.T) Binary {
	t.Helper()
	root, err := module()
	if err != nil {
		t.Fatal(err)
	}
	b, err := build(t.Context(), filepath.Join(root, "e2e"), "./product/testdata/standin", filepath.Join(t.TempDir(), "standin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestModuleIsTheProducts(t *testing.T) {
	root, err := module()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil || !strings.HasPrefix(string(text), "module github.com/grid2mqtt/grid2mqtt\n") {
		t.Errorf("%v: %.60s", err, text)
	}
}

func TestBuildTellsTheCompilersWords(t *testing.T) {
	root, err := module()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := build(t.Context(), filepath.Join(root, "e2e"), "./product/testdata/nothing", t.TempDir()); err == nil || !strings.Contains(err.Error(), "directory not found") {
		t.Error(err)
	}
}

func TestProduct(t *testing.T) {
	t.Setenv("MQTT_URL", "mqtt://of-the-developer")
	b := standIn(t)
	p, err := b.Open(t.Context(), map[string]string{"TZ": "Europe/London"})
	if err != nil {
		t.Fatal(err)
	}
	lives := func(runs string) {
		t.Helper()
		if status, body, err := p.Post(t.Context(), "/hook?x=1", "text/plain", []byte("y")); err != nil || status != http.StatusOK || body != "POST /hook?x=1\n" {
			t.Error(status, body, err)
		}
		if got := p.Stdout(); strings.Count(got, "run ") != len(runs) || !strings.HasSuffix(got, "run "+runs[len(runs)-1:]+"\n") {
			t.Error(got)
		}
	}
	lives("1")
	if out := p.Stdout(); !strings.Contains(out, "DATA_DIR="+p.Data+"\n") || !strings.Contains(out, "TZ=Europe/London\n") || strings.Contains(out, "MQTT_URL") {
		t.Error(out)
	}
	if err := p.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	lives("12")
	p.Kill()
	if p.PID() != 0 || p.Stderr() != "bye\n" {
		t.Error(p.PID(), p.Stderr())
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	lives("123")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.Data); !os.IsNotExist(err) {
		t.Error("its data is still there", err)
	}
}

func TestAnEndThatWasNotPromised(t *testing.T) {
	t.Parallel()
	p, err := standIn(t).Open(t.Context(), map[string]string{"CODE": "3"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "ended with 3") || !strings.Contains(err.Error(), "bye") {
		t.Error(err)
	}
}

func TestRunThatEndsByItself(t *testing.T) {
	t.Parallel()
	b := standIn(t)
	if _, err := b.Open(t.Context(), map[string]string{"BAD": "1"}); err == nil || !strings.Contains(err.Error(), "exit status 2") {
		t.Error(err)
	}
	p, err := b.Install(map[string]string{"BAD": "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 2 { // each run has its own words
		if r, err := p.Run(t.Context()); err != nil || r != (Result{Code: 2, Stderr: "BAD: is not good\n"}) {
			t.Error(r, err)
		}
	}
	p.Env = nil
	if r, err := p.Run(t.Context(), "leave"); err != nil || r.Code != 0 || !strings.HasSuffix(r.Stdout, "asked to leave\n") {
		t.Error(r, err)
	}
}
