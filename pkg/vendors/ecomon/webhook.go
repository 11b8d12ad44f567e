package ecomon

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const (
	// most is how many alerts of one delivery are taken; the published one has two.
	most = 500
	// longest is how many bytes a device id may have; the vendor's have eight.
	longest = 200
)

// Decode tells what a webhook says: one event for each of its alerts, one
// without a subject where there are none. It never fails: what cannot be read
// is told as event.Undecodable.
func Decode(d event.Delivery) []event.Event {
	seen := d.Received.UTC()
	// A body that was kept as it came has the key of the form that was proven.
	var compact bytes.Buffer
	if json.Compact(&compact, d.Body) != nil {
		compact.Reset()
		compact.Write(d.Body)
	}
	hash := sha256.Sum256(compact.Bytes())
	key := hex.EncodeToString(hash[:8]) + "/" + seen.Format("2006010215") + "/"
	var events []event.Event
	for i, a := range alerts(d.Body) {
		events = append(events, event.Event{
			Source: Source, Subject: a.device, Key: key + strconv.Itoa(i), By: event.Webhook,
			At: seen, Seen: seen, Notice: &event.Notice{Code: a.code}, Data: a.data,
		})
	}
	return events
}

// alert is one thing that a delivery says.
type alert struct {
	code, device string
	data         json.RawMessage
}

// alerts are what a body says, at least one.
func alerts(body []byte) (list []alert) {
	var whole struct {
		Event json.RawMessage
		Data  json.RawMessage
	}
	if json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &whole) != nil {
		return []alert{{code: event.Undecodable}}
	}
	code, ok := word(whole.Event)
	if !ok {
		code = event.Undecodable
	}
	var data struct{ Alerts []json.RawMessage }
	if code != Test && json.Unmarshal(whole.Data, &data) == nil && len(data.Alerts) > 0 {
		for _, item := range data.Alerts[:min(len(data.Alerts), most)] {
			list = append(list, read(code, item))
		}
		return list
	}
	if code == event.Undecodable {
		return []alert{{code: code}}
	}
	a := read(code, whole.Data)
	if code == Test {
		a.device = ""
	}
	return []alert{a}
}

// read takes an object that may name a device. What Ecomon was told by its
// customer, and who that is, is left out, and with it the serial number of the
// power meter, which is what it calls the meterId.
func read(code string, object []byte) alert {
	var named struct {
		DeviceID json.RawMessage `json:"deviceId"`
	}
	_ = json.Unmarshal(object, &named) // what is no object names no device
	device, _ := word(named.DeviceID)
	return alert{code: code, device: device, data: event.Harmless(object, "metadata", "intermediaryId", "createdBy", "meterId")}
}

// word is a name that was told as a text or a number.
func word(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		var number json.Number
		if json.Unmarshal(raw, &number) != nil {
			return "", false
		}
		text = number.String()
	}
	if text = strings.TrimSpace(text); text == "" || len(text) > longest {
		return "", false
	}
	return text, true
}
