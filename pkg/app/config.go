package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the image has no zones of its own

	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/capacitor"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/ecomon"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/equiwatt"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/openvolt"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/powerresponse"
)

// Config is the whole configuration, made of each room's own.
type Config struct {
	MQTT        homeassistant.Config `envPrefix:"MQTT_"`
	MomentsWait bool                 `env:"MOMENTS_WAIT" envDefault:"true"`

	Equiwatt equiwatt.Config `envPrefix:"EQUIWATT_"`
	Ecomon   ecomon.Config   `envPrefix:"ECOMON_"`
	Openvolt openvolt.Config `envPrefix:"OPENVOLT_"`

	PowerResponse powerresponse.Config `envPrefix:"POWERRESPONSE_"`
	Capacitor     capacitor.Config     `envPrefix:"CAPACITOR_"`

	HookAddr  string `env:"HOOK_ADDR" envDefault:":8098"`
	HookToken string `env:"HOOK_TOKEN"`
	PublicURL string `env:"PUBLIC_URL"`
	WebAddr   string `env:"WEB_ADDR" envDefault:"127.0.0.1:8099"`

	DataDir   string        `env:"DATA_DIR" envDefault:"./data"`
	Retention time.Duration `env:"RETENTION" envDefault:"400d"`
	LogLevel  string        `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat string        `env:"LOG_FORMAT" envDefault:"console"`
	TZ        string        `env:"TZ"`

	zone  *time.Location
	level zerolog.Level
}

// load reads the configuration. The error names every variable that cannot be
// used, in one line and without a secret; what could be read is returned too.
func load(environ map[string]string) (Config, error) {
	var c Config
	environ, errs := withFiles(environ)
	err := env.ParseWithOptions(&c, env.Options{
		Environment: environ,
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[time.Duration](): parseDuration},
	})
	var all env.AggregateError
	if errors.As(err, &all) {
		for _, e := range all.Errors {
			errs = append(errs, named(e, environ))
		}
	}
	errs = append(errs, c.check(), c.MQTT.Validate(), c.Equiwatt.Validate(), c.Ecomon.Validate(), c.Openvolt.Validate(), c.PowerResponse.Validate(), c.Capacitor.Validate())
	if err := errors.Join(errs...); err != nil {
		return c, oneEach(err)
	}
	return c, nil
}

// oneEach makes one line of errors that begin with a variable's name, the first
// of each: what could not be read is zero, which may be wrong as well.
func oneEach(err error) error {
	var list []string
	told := map[string]bool{}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, " ")
		if name = strings.TrimSuffix(name, ":"); !told[name] {
			list = append(list, line)
		}
		told[name] = true
	}
	return errors.New(strings.Join(list, "; "))
}

// withFiles drops empty variables and reads the _FILE twins of secrets.
func withFiles(environ map[string]string) (map[string]string, []error) {
	var errs []error
	set := map[string]string{}
	for k, v := range environ {
		if v != "" {
			set[k] = v
		}
	}
	for _, key := range variables() {
		file, ok := set[key+"_FILE"]
		if !ok || !secret(key) {
			continue
		}
		if set[key] != "" {
			errs = append(errs, fmt.Errorf("%s and %s_FILE are both set: keep one", key, key))
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s_FILE: %w", key, err))
			continue
		}
		if value := strings.TrimRight(string(text), "\r\n"); value != "" {
			set[key] = value
		}
	}
	return set, errs
}

// secret reports whether a variable has a _FILE twin.
func secret(key string) bool {
	switch key {
	case "MQTT_URL", "MQTT_PASSWORD", "HOOK_TOKEN":
		return true
	}
	return strings.HasSuffix(key, "_TOKEN") || strings.HasSuffix(key, "_API_KEY") || strings.HasSuffix(key, "_SECRET")
}

// variables lists every variable that Config reads.
func variables() []string {
	var c Config
	params, err := env.GetFieldParams(&c)
	if err != nil {
		return nil
	}
	keys := make([]string, 0, len(params))
	for _, p := range params {
		keys = append(keys, p.Key)
	}
	return keys
}

// named says which variable could not be read; the library knows the field
// only, whose name is the variable's without underscores; several vendors have
// one of that name.
func named(err error, environ map[string]string) error {
	var p env.ParseError
	if !errors.As(err, &p) {
		return err
	}
	why := "is not true or false"
	readable := func(text string) bool { _, err := strconv.ParseBool(text); return err == nil }
	if p.Type == reflect.TypeFor[time.Duration]() {
		why = "is no duration like 90s, 5m or 400d"
		readable = func(text string) bool { _, err := parseDuration(text); return err == nil }
	}
	for _, key := range variables() {
		if strings.HasSuffix(strings.ReplaceAll(key, "_", ""), strings.ToUpper(p.Name)) && environ[key] != "" && !readable(environ[key]) {
			return fmt.Errorf("%s %s", key, why)
		}
	}
	return fmt.Errorf("%s %s", p.Name, why)
}

var days = regexp.MustCompile(`^(\d+)d(.*)$`)

// parseDuration reads Go's durations, and days in front: "90s", "400d", "1d12h".
func parseDuration(s string) (any, error) {
	var whole time.Duration
	if m := days.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 100_000 {
			return nil, errors.New("too many days")
		}
		whole, s = time.Duration(n)*24*time.Hour, m[2]
		if s == "" {
			return whole, nil
		}
	}
	d, err := time.ParseDuration(s)
	return whole + d, err
}

var tokenShape = regexp.MustCompile(`^[A-Za-z0-9_-]{22,}$`)

// check looks at the variables that belong to no room, and fills in what they mean.
func (c *Config) check() error {
	var errs []error
	bad := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	bad(validAddr(c.HookAddr), "HOOK_ADDR is no address like :8098 or 127.0.0.1:8098")
	bad(validAddr(c.WebAddr), "WEB_ADDR is no address like :8099 or 127.0.0.1:8099")
	bad(c.HookToken == "" || tokenShape.MatchString(c.HookToken), "HOOK_TOKEN needs 22 characters at least, all of them letters, digits, - or _")
	bad(c.Retention > 0, "RETENTION must be more than nothing")
	bad(slices.Contains([]string{"console", "json"}, c.LogFormat), "LOG_FORMAT is neither console nor json")

	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		bad(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.RawQuery == "" && u.Fragment == "",
			"PUBLIC_URL is no address like https://example.org")
	}
	level, known := levels[strings.ToLower(c.LogLevel)]
	c.level = level
	bad(known, "LOG_LEVEL is none of trace, debug, info, warn, error")

	var err error
	c.zone = time.Local
	if name := strings.TrimPrefix(c.TZ, ":"); name != "" {
		if c.zone, err = time.LoadLocation(name); err != nil {
			c.zone = time.UTC
			bad(false, "TZ is no time zone like Europe/London")
		}
	}
	return errors.Join(errs...)
}

var levels = map[string]zerolog.Level{
	"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel,
	"warn": zerolog.WarnLevel, "warning": zerolog.WarnLevel, "error": zerolog.ErrorLevel,
}

func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
