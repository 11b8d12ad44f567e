package state

import "github.com/grid2mqtt/grid2mqtt/pkg/event"

// rehearse plays a charge on a connector that is known, else on Capacitor
// itself.
func (q *chargers) rehearse(e event.Event, news bool) {
	if e.Window == nil {
		return
	}
	m := Moment{Source: "capacitor", Fields: map[string]any{"rehearsal": true, "transaction_id": "rehearsal"}}
	on := q.connector(e.Subject)
	subject := ""
	if on != nil {
		m.Subject, subject = on.box.device.Subject, on.device.Subject
		m.Fields["charger"], m.Fields["connector_id"] = on.box.id, on.id
	}
	opens, closes := m, m
	opens.Type, closes.Type = "transaction_started", "transaction_stopped"
	was := q.play
	q.play = q.moments.rehearse(was, e, news, subject, opens, closes)
	if q.play != was {
		if q.stage != nil {
			q.stage.play = nil
			q.touch(q.stage)
		}
		if q.stage = on; on != nil {
			on.play = q.play
		}
	}
}

// connector returns a connector by its device's id; nil: it is not known.
func (q *chargers) connector(id string) *socket {
	for _, b := range q.boxes {
		for _, n := range b.sockets {
			if n.device.ID == id {
				return n
			}
		}
	}
	return nil
}
