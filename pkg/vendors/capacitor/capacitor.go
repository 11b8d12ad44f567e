// Package capacitor translates what Capacitor, a backend for chargers of
// electric cars (OCPP 1.6), says by webhook and by its API into events, and
// decides what to ask next. It only translates: it stores nothing, waits for
// nothing but the network, and reads no clock but the one it is given.
//
// A charger is called by its chargeBoxId, which the customer chose, and a
// connector is "<chargeBoxId>/<connectorId>"; connector 0 is the charger
// itself (https://portal.capacitor.live/docs/chargers).
//
// Key rule: a webhook has no id (https://portal.capacitor.live/docs/webhooks),
// so its identity is its body: the first 16 hex digits of its SHA-256, and
// "/<n>" behind for the n-th of several in one body; where no timestamp is in it,
// "@" and the minute of its arrival. What the API says of a
// thing is one key for that thing: "charger/<id>" from the list, "detail/<id>"
// from its own page, "connector/<id>/<n>", "transaction/<id>".
//
// Every event carries Facts in its Data: the vendor's fields that are known,
// their numbers as numbers, and of a webhook also its fields as they came,
// without what tells who somebody is, or may. By event of the vendor:
//
//   - charger.connected, charger.disconnected: Status "online", "offline" of the charger.
//   - charger.boot: Notice of the charger; its make is in Facts.
//   - connector.status_changed: Status of the connector, in the vendor's word.
//   - transaction.started, .updated, .stopped: Session of the connector, or of
//     the charger where no connector is named. WattHours only where the vendor
//     tells the energy itself; registers are in Facts.
//   - an unknown one, and a known one that lacks what makes it: Notice with the vendor's name of it as Code.
//   - what cannot be read: Notice event.Undecodable.
//
// At is the vendor's timestamp, and equals Seen where that is absent or absurd.
// By the API there are a Status of each charger and connector and a Session of
// each transaction that was asked for.
package capacitor

// Source is the name of this vendor in events, topics and paths.
const Source = "capacitor"

// Events are the seven that Capacitor sends
// (https://portal.capacitor.live/docs/webhooks).
func Events() []string {
	return []string{
		Connected, Disconnected, Boot, StatusChanged, Started, Stopped, Updated,
	}
}

// What a webhook tells.
const (
	Connected     = "charger.connected"
	Disconnected  = "charger.disconnected"
	Boot          = "charger.boot"
	StatusChanged = "connector.status_changed"
	Started       = "transaction.started"
	Stopped       = "transaction.stopped"
	Updated       = "transaction.updated"
)

// States of a charger's connection to Capacitor.
const (
	Online  = "online"
	Offline = "offline"
)
