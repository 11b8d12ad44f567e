package addon_test

import (
	"fmt"
	"image/png"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const top = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func readYAML(t *testing.T, name string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(read(t, name)), &m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

// first returns the first group of the first match.
func first(t *testing.T, pattern, text string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("nothing matches %s", pattern)
	}
	return m[1]
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// The Supervisor takes any config file outside dot-folders for an app, and
// looks for the other two everywhere.
func TestNoSecondManifest(t *testing.T) {
	name := regexp.MustCompile(`^(config|build|repository)\.(ya?ml|json)$`)
	var found []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if !d.IsDir() && name.MatchString(d.Name()) {
			rel, _ := filepath.Rel(top, path)
			found = append(found, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"build.yaml", "config.yaml", "repository.yaml"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q and no other", found, want)
	}
	if readYAML(t, "repository.yaml")["name"] == nil {
		t.Error("repository.yaml has no name")
	}
}

func TestConfigSaysNothingNeedless(t *testing.T) {
	config := readYAML(t, "config.yaml")
	for _, key := range []string{"name", "version", "slug", "description", "arch", "url", "image", "homeassistant"} {
		if config[key] == nil {
			t.Errorf("%s is missing", key)
		}
	}
	// What the Supervisor assumes anyway; its linter refuses to read it again.
	defaults := map[string]any{
		"startup": "application", "boot": "auto", "init": true, "ingress_port": 8099, "panel_icon": "mdi:puzzle", "panel_admin": true,
		"apparmor": true, "stage": "stable", "timeout": 10, "hassio_role": "default", "backup": "hot",
	}
	for key, value := range config {
		switch v := value.(type) {
		case bool:
			if !v {
				t.Errorf("%s: false is the default", key)
			}
		case map[string]any:
			if len(v) == 0 {
				t.Errorf("%s: empty is the default", key)
			}
		}
		if defaults[key] != nil && value == defaults[key] {
			t.Errorf("%s: %v is the default", key, value)
		}
	}
	for _, key := range []string{"version", "homeassistant"} {
		if _, text := config[key].(string); !text {
			t.Errorf("%s is not quoted", key)
		}
	}
	if got := fmt.Sprint(config["arch"]); got != "[aarch64 amd64]" {
		t.Errorf("arch is %s", got)
	}
	if seconds, _ := config["timeout"].(int); seconds < 10 {
		t.Errorf("timeout is %v: the last words take up to 5 s, on a slow disk longer", config["timeout"])
	}
}

// rating is the Supervisor's own sum (supervisor/apps/utils.py).
func rating(config map[string]any, profile bool) int {
	on := func(key string) bool { return config[key] == true }
	sum := 5
	switch {
	case config["apparmor"] == false:
		sum--
	case profile:
		sum++
	}
	switch {
	case on("ingress"):
		sum += 2
	case on("auth_api"):
		sum++
	}
	if config["privileged"] != nil || on("kernel_modules") {
		sum--
	}
	sum -= map[any]int{"manager": 1, "admin": 2}[config["hassio_role"]]
	if on("host_network") {
		sum--
	}
	if on("host_pid") {
		sum -= 2
	}
	if on("docker_api") || on("full_access") {
		return 1
	}
	return max(1, min(8, sum))
}

func TestRating(t *testing.T) {
	_, err := os.Stat(filepath.Join(top, "apparmor.txt"))
	if got := rating(readYAML(t, "config.yaml"), err == nil); got != 8 {
		t.Errorf("security rating %d, want 8 of 8", got)
	}
}

func TestVersionsAgree(t *testing.T) {
	version, _ := readYAML(t, "config.yaml")["version"].(string)
	changes := read(t, "CHANGELOG.md")
	if newest := first(t, `(?m)^## (.*)$`, changes); newest != version {
		t.Errorf("config.yaml is at %s, the changelog at %s", version, newest)
	}
	for line := range strings.Lines(changes) {
		if strings.HasPrefix(line, "##") && !regexp.MustCompile(`^## \d+\.\d+\.\d+\n$`).MatchString(line) {
			t.Errorf("Home Assistant finds versions by headings like ## 1.2.3, not %q", line)
		}
	}
}

func TestImageIsOneName(t *testing.T) {
	image, _ := readYAML(t, "config.yaml")["image"].(string)
	if strings.Contains(filepath.Base(image), ":") {
		t.Errorf("image %s has a tag; the Supervisor adds the version itself", image)
	}
	if got := first(t, `IMAGE: (\S+)`, read(t, ".github/workflows/release.yaml")); got != image {
		t.Errorf("released is %s, installed %s", got, image)
	}
	services := object(readYAML(t, "compose.yaml")["services"])
	if got := object(services["grid2mqtt"])["image"]; got != image+":latest" {
		t.Errorf("compose.yaml runs %v, installed is %s", got, image)
	}
}

func TestDockerfile(t *testing.T) {
	docker := read(t, "Dockerfile")
	build := readYAML(t, "build.yaml")
	base := first(t, `(?m)^ARG BUILD_FROM=(.*)$`, docker)
	if build["build_from"] != base || len(build) != 1 {
		t.Errorf("build.yaml is %v, want only build_from: %s", build, base)
	}
	// The Supervisor's rule for build_from: a slash, and no digest.
	if !regexp.MustCompile(`^([a-zA-Z\-.:\d{}]+/)*?([\-\w{}]+)/([\-\w{}]+)(:[.\-\w{}]+)?$`).MatchString(base) {
		t.Errorf("the Supervisor does not take %s", base)
	}
	program := first(t, `(?m)^ENTRYPOINT \["([^"]+)"\]$`, docker)
	config := readYAML(t, "config.yaml")
	for _, want := range []string{
		`CMD ["` + program + `", "healthcheck"]`, " " + program + "\n", "CGO_ENABLED=0", "-X main.version=$BUILD_VERSION", "EXPOSE 8098 8099\n",
		`org.opencontainers.image.description="` + fmt.Sprint(config["description"]) + `"`, `io.hass.description="` + fmt.Sprint(config["description"]) + `"`,
		`io.hass.type="app"`, `io.hass.version="$BUILD_VERSION"`, `io.hass.arch="amd64"`, `io.hass.arch="aarch64"`,
	} {
		if !strings.Contains(docker, want) {
			t.Errorf("Dockerfile lacks %s", want)
		}
	}
	profile := read(t, "apparmor.txt")
	if !strings.Contains(profile, "\n  "+program+" mrix,\n") {
		t.Errorf("apparmor.txt does not let %s run", program)
	}
}

// The Supervisor gives the profile another name by rewriting the one line that
// begins with the word.
func TestProfileHasOneName(t *testing.T) {
	profile := read(t, "apparmor.txt")
	lines := regexp.MustCompile(`(?m)^profile .*$`).FindAllString(profile, -1)
	if len(lines) != 1 || !regexp.MustCompile(`^profile grid2mqtt .*\{$`).MatchString(lines[0]) {
		t.Errorf("lines that begin with profile: %q", lines)
	}
	if wide := regexp.MustCompile(`(?m)^\s*(capability|file|network|ptrace|mount)\b.*,$`).FindAllString(profile, -1); len(wide) != 4 {
		t.Errorf("the profile grants %q, want the four kinds of sockets", wide)
	}
}

func TestBuildContextIsSmall(t *testing.T) {
	lines := strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(read(t, ".dockerignore"), ""))
	want := []string{"*", "!go.mod", "!go.sum", "!addon", "!cmd", "!pkg", "**/testdata", "**/*_test.go"}
	if !slices.Equal(lines, want) {
		t.Errorf(".dockerignore is %q, want %q: all else stays out of the image", lines, want)
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`).FindAllStringSubmatch(read(t, "Dockerfile"), -1) {
		for _, source := range strings.Fields(m[1]) {
			if !slices.Contains(lines, "!"+source) {
				t.Errorf("the Dockerfile copies %s, which .dockerignore keeps out", source)
			}
		}
	}
}

func TestPictures(t *testing.T) {
	for name, size := range map[string][2]int{"icon.png": {128, 128}, "logo.png": {250, 100}} {
		f, err := os.Open(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		picture, err := png.DecodeConfig(f)
		if err != nil || picture.Width != size[0] || picture.Height != size[1] {
			t.Errorf("%s is %d × %d, %v", name, picture.Width, picture.Height, err)
		}
	}
}

func TestActionsArePinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(top, ".github/workflows/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	pinned := regexp.MustCompile(`^\s*(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n$`)
	for _, file := range files {
		rel, _ := filepath.Rel(top, file)
		readYAML(t, rel)
		for line := range strings.Lines(read(t, rel)) {
			if strings.Contains(line, "uses:") && !pinned.MatchString(line) {
				t.Errorf("%s: not pinned to a commit with its version: %s", rel, line)
			}
		}
	}
}

func TestReadmeBeginsWithTwoCommands(t *testing.T) {
	commands := regexp.MustCompile("(?s)```sh\n(.*?)\n```").FindAllStringSubmatch(read(t, "README.md"), 2)
	if len(commands) != 2 || commands[0][1] != "go run ./cmd/demo" || commands[1][1] != "bash .ci/test" {
		t.Errorf("README's first commands are %q", commands)
	}
	for _, script := range []string{".ci/test", ".ci/run"} {
		if info, err := os.Stat(filepath.Join(top, script)); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be run: %v", script, err)
		}
	}
	if !strings.Contains(read(t, ".ci/run"), ".ci/test") {
		t.Error(".ci/run leaves out .ci/test")
	}
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
