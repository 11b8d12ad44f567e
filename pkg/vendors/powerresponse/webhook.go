package powerresponse

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// batch is how many deliveries are taken out of one body that is a list. The
// vendor is not known to send lists.
const batch = 100

// Decode tells what a webhook says: one Notice whose Code is the vendor's name
// of the event's type, with Hint as its Data. The delivery's body is not
// documented, so it is searched for both; where neither is found its Code is
// event.Undecodable. It never fails.
func Decode(d event.Delivery) []event.Event {
	sum := sha256.Sum256(d.Body)
	key := "hook/" + hex.EncodeToString(sum[:12])
	v, _ := read(d.Body)
	list, many := v.([]any)
	if !many {
		return []event.Event{notice(d, key, object(v))}
	}
	var events []event.Event
	for i, item := range list[:min(len(list), batch)] {
		events = append(events, notice(d, key+"/"+strconv.Itoa(i), object(item)))
	}
	if len(events) == 0 {
		events = append(events, notice(d, key, nil))
	}
	return events
}

// Hint is what a webhook's Notice carries as its Data.
type Hint struct {
	Type string `json:"eventType,omitempty"` // the vendor's own word
	UUID string `json:"eventUUID,omitempty"` // of the event that is worth reading
}

// Hints lists the events that decoded deliveries name, each once.
func Hints(events []event.Event) (uuids []string) {
	seen := map[string]bool{}
	for _, e := range events {
		var h Hint
		if e.Notice == nil || json.Unmarshal(e.Data, &h) != nil || h.UUID == "" || seen[h.UUID] {
			continue
		}
		seen[h.UUID] = true
		uuids = append(uuids, h.UUID)
	}
	return uuids
}

func notice(d event.Delivery, key string, f fields) event.Event {
	seen := d.Received.UTC()
	e := event.Event{
		Source: Source, Key: key, By: event.Webhook, At: seen, Seen: seen,
		Notice: &event.Notice{Code: event.Undecodable},
	}
	h := Hint{Type: f.kind(nesting), UUID: f.eventUUID(nesting)}
	if h == (Hint{}) {
		return e
	}
	e.Notice.Code = h.Type
	e.Data = encode(h)
	return e
}

// nesting is how deep in a delivery its type and its event are looked for.
const nesting = 3

// wrappers are names of objects in which an event may come wrapped.
var wrappers = [...]string{"event", "data", "payload", "message", "body"}

// eventUUID finds the event's UUID: the names that say so first, then the
// wrapped ones, then the delivery's own.
func (f fields) eventUUID(depth int) string {
	if id := f.uuid("eventuuid", "eventid", "event"); id != "" || depth == 0 {
		return id
	}
	for _, name := range wrappers {
		if inner := object(f[name]); inner != nil {
			if id := inner.eventUUID(depth - 1); id != "" {
				return id
			}
		}
	}
	return f.uuid("uuid", "id")
}

// kind finds the type of a delivery; a UUID is none.
func (f fields) kind(depth int) string {
	for _, name := range []string{"eventtype", "type", "event", "action"} {
		if text := f.text(name); text != "" && UUID(text) == "" {
			return text
		}
	}
	for _, name := range wrappers {
		if inner := object(f[name]); inner != nil && depth > 0 {
			if kind := inner.kind(depth - 1); kind != "" {
				return kind
			}
		}
	}
	return ""
}

// encode writes what cannot fail: texts, numbers and truths.
func encode(v any) json.RawMessage {
	text := &strings.Builder{}
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return nil
	}
	return json.RawMessage(strings.TrimSuffix(text.String(), "\n"))
}
