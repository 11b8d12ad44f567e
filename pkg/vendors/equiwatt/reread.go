package equiwatt

import "github.com/grid2mqtt/grid2mqtt/pkg/event"

// Reread tells what an answer of the API said that was kept; nothing where it
// was no good one. What an answer left out is not told again.
func Reread(d event.Delivery) []event.Event {
	r, bad := parse(d.Body)
	if bad != none {
		return nil
	}
	return Events(r, nil, d.Received)
}
