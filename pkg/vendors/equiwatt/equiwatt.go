// Package equiwatt translates what Equiwatt's household API and webhooks say
// into events. It only translates: it stores nothing, waits for nothing but
// the network, and reads no clock but the one it is given.
//
// Key rule: the API gives an equivent no id, so its start is its identity, and
// an event of the API has the key "api/<start in Unix seconds>": told again
// with an end, it is a newer version of the same. A webhook has no identity at
// all, so each delivery is an event of its own, "hook/<kind>/<arrival in Unix
// nanoseconds>"; which equivent it speaks of is for others to judge.
//
// What the API says of an entry becomes a Window like this:
//
//   - current_event runs; its end is a plan, or absent. It runs too where
//     previous_events lists the same start with an end: that end is then taken
//     for the plan if current_event names none, so that the clock closes it.
//   - Where there is no current_event, the previous entry with the largest
//     start runs if its end is null (seen live in 2022, see
//     https://community.equiwatt.com/t/webhook-open-api-now-in-beta/159).
//   - Another previous entry is over, and its end is final; a null end of an
//     older entry stays unknown.
//   - What ran in the last answer and is in this one no more is told as neither
//     running nor ended.
//
// Whether a start has come or a plan has passed depends on the time, and is
// not decided here. Nor is a direction ever made up: the API has none.
package equiwatt
