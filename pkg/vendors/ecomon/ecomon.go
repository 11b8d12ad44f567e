// Package ecomon translates what Ecomon (also Hark), a Norwegian service around
// a reader on the power meter, says in its consumption-alert webhooks into
// events, and speaks its GraphQL API to set those webhooks up. It only
// translates: it stores nothing, waits for nothing but the network, and reads
// no clock but the one it is given.
//
// Key rule: a delivery has no identity and no time of its own, so an event has
// the key "<hash>/<hour>/<index>": the first 16 hexadecimal digits of the
// SHA-256 of the body without blanks between its tokens, the clock hour of its
// arrival in UTC as 2006010215, and which of the delivery's alerts it is. The
// same body again in the same clock hour is thus the same thing told again; in
// the next hour it is a new alert, for a household may well use as much again.
//
// Each alert is a Notice whose Code is the vendor's own `event` and whose
// Subject is the `deviceId`; what names no device has no Subject. A delivery
// without an `event`, or one that is no JSON object, is event.Undecodable.
// Nothing ever says that an alert is over: it is about its clock hour.
//
// Facts are from https://docs.hark.eco/docs/developers/webhook and its older
// form https://ecomon.no/docs/developers/webhook/, and
// https://ecomon.no/docs/developers/alert-settings.
package ecomon

// Source is the name of this vendor in events, topics and paths.
const Source = "ecomon"

// What Ecomon calls its deliveries. SustainableAlert and EstimatedWarning are
// named by the vendor as types of alert; that `event` says the same is assumed.
const (
	Test             = "webhook:test"
	HourlyWarning    = "HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING"  // at minute 30 of each hour
	EstimatedWarning = "ESTIMATED_HOURLY_ACTIVE_ENERGY_LIMIT_WARNING" // at any time of the hour
	SustainableAlert = "SUSTAINABLE_CONSUMPTION_ALERT"
)
