// Package addon knows the Home Assistant Supervisor, which runs this program
// as an app (formerly add-on). It turns what a householder saved on the app's
// configuration tab into environment variables, asks which MQTT broker there
// is, and tells who may speak to the ingress page.
//
// It promises that a missing or broken options file never keeps the program
// from starting, and that no option's content is ever part of an error. It
// asks once: trying again is the caller's.
//
// Facts about the Supervisor are from
// https://developers.home-assistant.io/docs/apps and its source.
package addon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// OptionsFile is where the Supervisor writes the options at every start.
const OptionsFile = "/data/options.json"

// Running reports whether the Supervisor started this process.
func Running(environ map[string]string) bool {
	return environ["SUPERVISOR_TOKEN"] != ""
}

// Allowed reports whether a peer, "address:port", may speak to the ingress
// page: the Supervisor, whose address is fixed, and this container itself.
// Every other app can reach the port too and could pretend to be anybody.
func Allowed(remoteAddr string) bool {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	return addr.IsLoopback() || addr == netip.AddrFrom4([4]byte{172, 30, 32, 2})
}

// Environ returns a copy of environ with the options of a JSON file laid over:
// {"mqtt": {"url": "…"}, "moments_wait": true} becomes MQTT_URL and
// MOMENTS_WAIT. Empty texts and null leave a variable as it is. What the
// Supervisor itself sets stays. An app's own defaults fill what is still unset.
//
// With an error the map is usable all the same: it holds all that could be
// read. The error names the file or an option, never a content.
func Environ(environ map[string]string, optionsFile string) (map[string]string, error) {
	out := maps.Clone(environ)
	if out == nil {
		out = map[string]string{}
	}
	raw, err := readOptions(optionsFile)
	if err == nil {
		err = flatten(out, "", raw)
	}
	for name, value := range map[string]string{"DATA_DIR": "/data", "WEB_ADDR": ":8099"} {
		if out[name] == "" {
			out[name] = value
		}
	}
	return out, err
}

// maxOptions is far above what a configuration tab can hold.
const maxOptions = 1 << 20

func readOptions(name string) (json.RawMessage, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("addon: options: %s is not there; restart the app", name)
	}
	if err != nil {
		return nil, fmt.Errorf("addon: options: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxOptions+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("addon: options: %w", err)
	case len(raw) > maxOptions:
		return nil, fmt.Errorf("addon: options: %s is too big", name)
	case !json.Valid(raw): // the decoder's own words would quote the file
		return nil, fmt.Errorf("addon: options: %s is not valid JSON; save the app's configuration again", name)
	case !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")):
		return nil, fmt.Errorf("addon: options: %s holds no options; save the app's configuration again", name)
	}
	return raw, nil
}

// maxDepth is one more than the configuration tab can show.
const maxDepth = 3

// flatten goes on after an option it cannot take.
func flatten(out map[string]string, prefix string, object json.RawMessage) error {
	if strings.Count(prefix, ".") >= maxDepth {
		return fmt.Errorf("addon: options: %s is nested too deeply", strings.TrimSuffix(prefix, "."))
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal(object, &options); err != nil {
		return fmt.Errorf("addon: options: %s cannot be read", strings.TrimSuffix(prefix, "."))
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(options)) {
		name, value := prefix+key, options[key]
		var text string
		switch value[0] {
		case '{':
			errs = append(errs, flatten(out, name+".", value))
			continue
		case '[':
			errs = append(errs, fmt.Errorf("addon: options: %s is a list, want one value", name))
			continue
		case '"':
			if err := json.Unmarshal(value, &text); err != nil {
				errs = append(errs, fmt.Errorf("addon: options: %s cannot be read", name))
			}
		case 'n':
		default:
			text = string(value)
		}
		variable := strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
		if text != "" && !reserved(variable) {
			out[variable] = text
		}
	}
	return errors.Join(errs...)
}

// reserved names are set by the Supervisor, new for each start.
func reserved(variable string) bool {
	return variable == "TZ" || strings.HasPrefix(variable, "SUPERVISOR_") || strings.HasPrefix(variable, "HASSIO_")
}
