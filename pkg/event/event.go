// Package event holds the words of the house: what one vendor said about one
// subject. It knows no vendor, stores nothing and reads no clock.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Teller says by which way an event reached us.
type Teller string

const (
	API       Teller = "api"       // an answer of the vendor's API
	Webhook   Teller = "webhook"   // a delivery of the vendor, proven by the path's token or a signature
	Rehearsal Teller = "rehearsal" // a household's rehearsal
	Self      Teller = "self"      // this program about itself
)

// Subjects this program uses for what it says about itself.
const (
	Link  = "link"  // Status "ok", "error" or, where the key is not taken, "refused" of the way to a vendor's API, the reason in Detail
	Clock = "clock" // Status "stepped": this machine's clock was set, by how much in Data
)

// Event is what one teller said about one subject. Exactly one shape is set.
//
// Source and Key are its identity: the same key with the same content is the
// same thing told again, with other content it is a newer version and the last
// one wins. What makes a key is each vendor's own rule, in its package comment.
type Event struct {
	Seq     int64     // position in the journal; zero while it is not stored
	Source  string    // the vendor, e.g. "equiwatt"
	Subject string    // the vendor's id of the thing; empty: the source itself
	Key     string    // identity within the source
	By      Teller    //
	At      time.Time // when it happened in the world; where the vendor does not say, Seen
	Seen    time.Time // when it reached us

	Window  *Window
	Status  *Status
	Session *Session
	Notice  *Notice

	// Data holds the vendor's own fields as they came, a JSON object without
	// personal ones; nil where there are none.
	Data json.RawMessage

	// Quiet: it was decoded anew, at Again, from what came long ago. It changes
	// what is known, and what there was to say by then is not said.
	Quiet bool      `json:",omitzero"`
	Again time.Time `json:",omitzero"`
}

// Window is a span in which a household is asked to shift its use, half open.
type Window struct {
	Start time.Time `json:"start,omitzero"` // zero: not said
	End   time.Time `json:"end,omitzero"`   // zero: not said; while Running it is only a plan

	// Running: the teller says that it runs. Not running and no end: the
	// teller no longer says that it runs, nor when it ended.
	Running bool `json:"running,omitempty"`

	Direction string `json:"direction,omitempty"` // "powerDOWN", "powerUP"; empty: not said
}

// Status says that a thing is in a state from At on; State is the vendor's word.
type Status struct {
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"` // one sentence for people
}

// Session is a span with a growing quantity, half open.
type Session struct {
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`         // zero: it goes on
	WattHours *float64  `json:"watt_hours,omitempty"` // nil: not said
}

// Notice is a moment; Code is the vendor's own. Authentic deliveries that are
// not known or cannot be read are notices too, with Code Undecodable.
type Notice struct {
	Code string `json:"code"`
}

// Undecodable is the Notice code of an authentic delivery that could not be read.
const Undecodable = "undecodable"

// Shape returns the name of the one shape that is set, and its content.
func (e Event) Shape() (string, any) {
	switch {
	case e.Window != nil:
		return "window", e.Window
	case e.Status != nil:
		return "status", e.Status
	case e.Session != nil:
		return "session", e.Session
	case e.Notice != nil:
		return "notice", e.Notice
	}
	return "", nil
}

// Validate reports what makes an event unusable, in one sentence.
func (e Event) Validate() error {
	n := 0
	for _, set := range []bool{e.Window != nil, e.Status != nil, e.Session != nil, e.Notice != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return fmt.Errorf("event: %d shapes set, want one", n)
	case e.Source == "":
		return errors.New("event: no source")
	case e.Key == "":
		return errors.New("event: no key")
	case e.By == "":
		return errors.New("event: no teller")
	case e.Seen.IsZero():
		return errors.New("event: not said when it was heard")
	case e.Quiet == e.Again.IsZero():
		return errors.New("event: quiet without a time, or the reverse")
	case e.Data != nil && !json.Valid(e.Data):
		return errors.New("event: data is not JSON")
	}
	return nil
}

// Same reports whether two versions of one key say the same: everything but
// where it is stored and when it was heard.
func (e Event) Same(o Event) bool {
	if e.Source != o.Source || e.Subject != o.Subject || e.Key != o.Key || e.By != o.By || !bytes.Equal(e.Data, o.Data) {
		return false
	}
	_, a := e.Shape()
	_, b := o.Shape()
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// Ways a delivery came by.
const (
	ViaHTTP    = "http"    // posted to the hook listener
	ViaMQTT    = "mqtt"    // a webhook forwarded by Home Assistant
	ViaPoll    = "poll"    // the answer to a question of ours
	ViaCommand = "command" // a household's command
	ViaReplay  = "replay"  // decoded anew from a delivery that was kept
)

// Verdicts on a delivery.
const (
	Accepted  = "accepted"
	Duplicate = "duplicate" // nothing in it was new
	Unread    = "undecodable"
)

// Delivery is what arrived, as it came.
type Delivery struct {
	ID       int64
	Received time.Time
	Source   string
	Kind     string // e.g. "started"; empty where the source has one kind
	Via      string
	Header   map[string]string // the harmless ones only; see intake
	Query    string
	Body     []byte // exactly the bytes received
	Verdict  string // set by the journal where it is empty
	Replays  int64  // the delivery that this one decodes anew; zero: it came by itself

	// The journal tells these of what it has stored.
	Size   int       // bytes of the body, of which a list holds the beginning only
	News   int       // how many of its events were new
	Spoken time.Time // when the broker had what they changed; zero: not yet, nothing, or not known

	Unconfirmed bool // it was said that the vendor's API did not show what this told
}

// Telling is how far the saying of one moment got.
type Telling struct {
	Moment string    // its id, as in the message
	Sent   time.Time // zero: not known
	AtRest time.Time // when the broker had it; zero: not yet
}
