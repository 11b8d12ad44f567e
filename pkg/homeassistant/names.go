package homeassistant

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// DefaultBase is the base topic of the first instance on a broker.
const DefaultBase = "grid2mqtt"

// Names makes every topic and id of one instance. Base and Prefix are
// MQTT_BASE_TOPIC and MQTT_DISCOVERY_PREFIX.
type Names struct {
	Base, Prefix string
}

// ID is what stands for this instance in ids: "grid2mqtt", or the base topic made safe.
func (n Names) ID() string {
	if n.Base == DefaultBase {
		return DefaultBase
	}
	return Slug(n.Base)
}

// Status is the only availability topic.
func (n Names) Status() string { return n.Base + "/status" }

// State, Event and Command are the topics of a source, or of a subject of it.
func (n Names) State(source, subject string) string { return n.topic(source, subject) + "/state" }
func (n Names) Event(source, subject string) string { return n.topic(source, subject) + "/event" }
func (n Names) Command(source, subject, command string) string {
	return n.topic(source, subject) + "/set/" + command
}

func (n Names) topic(source, subject string) string {
	if subject == "" {
		return n.Base + "/" + source
	}
	return n.Base + "/" + source + "/" + subject
}

// Device is a device's identifier and discovery id.
func (n Names) Device(source, subject string) string {
	if subject == "" {
		return n.ID() + "_" + source
	}
	return n.ID() + "_" + source + "_" + subject
}

// Document is the topic of a device's discovery document.
func (n Names) Document(source, subject string) string {
	return n.Prefix + "/device/" + n.Device(source, subject) + "/config"
}

// Entity is the entity_id that Home Assistant is asked to give.
func (n Names) Entity(platform, source, subject, key string) string {
	parts := make([]string, 0, 4)
	if n.Base != DefaultBase || source == bridge {
		parts = append(parts, n.ID())
	}
	if source != bridge {
		parts = append(parts, source)
	}
	if subject != "" {
		parts = append(parts, subject)
	}
	return platform + "." + strings.Join(append(parts, key), "_")
}

// Title is a device's name, which tells instances apart.
func (n Names) Title(name string) string {
	if n.Base == DefaultBase {
		return name
	}
	return name + " (" + n.ID() + ")"
}

// Births are the topics on which Home Assistant says that it comes and goes;
// the second does not move with the prefix.
func (n Names) Births() []string {
	if n.Prefix == "homeassistant" {
		return []string{"homeassistant/status"}
	}
	return []string{n.Prefix + "/status", "homeassistant/status"}
}

// Slug makes a vendor's id safe for topics and ids: lower case, each run of
// other characters than [a-z0-9] one underscore, none at the ends, "x" where
// nothing is left, cut at 64 characters with a short hash behind.
func Slug(id string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(id) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('_')
		}
		gap = false
		b.WriteRune(r)
	}
	s := b.String()
	switch {
	case s == "":
		return "x"
	case len(s) > 64:
		return Hashed(s[:64], id)
	}
	return s
}

// Hashed tells a name from another that is the same: by a short hash of the id.
func Hashed(name, id string) string {
	sum := sha256.Sum256([]byte(id))
	return strings.TrimRight(name, "_") + "_" + hex.EncodeToString(sum[:4])
}
