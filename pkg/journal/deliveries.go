package journal

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Query selects deliveries; what is empty or zero selects all.
type Query struct {
	Before int64 // only ids below this
	After  int64 // only ids above this, the lowest of them; not with Before
	Limit  int   // at most so many; zero: 50

	Source, Verdict string
	Via             string
	Since, Until    time.Time // half open, by when they were received
	Text            string    // in the body, the kind or the source; ASCII letters count in either case
}

const (
	// listBody bytes of a body are in a list, and nothing of one over
	// listWhole: SQLite reads all of it to find where it begins.
	listBody  = 4 << 10
	listWhole = 64 << 10

	// longestText keeps a search from the limits of SQLite's patterns.
	longestText = 256
)

const deliveryColumns = "d.id, received, source, kind, via, verdict, header, query, length(body), events, replays, spoken.at, first"

// Deliveries returns deliveries, newest first. Their bodies are cut to 4 KiB,
// and left out where they are over 64 KiB.
func (j *Journal) Deliveries(ctx context.Context, q Query) ([]event.Delivery, error) {
	places, bodies, err := j.where(ctx, q)
	if err != nil {
		return nil, err
	}
	if q.After <= 0 {
		slices.Reverse(places)
	}
	if q.Limit <= 0 {
		q.Limit = 50
	}
	query, values := q.statement(bodies)
	var list []event.Delivery
	err = j.read(ctx, func(r *reader) error {
		s, err := r.db.prepare(query)
		if err != nil {
			return err
		}
		defer s.close()
		for _, in := range places {
			if len(list) >= q.Limit {
				break
			}
			err := s.each(ctx, func(row []driver.Value) bool {
				d, _ := scanDelivery(row)
				list = append(list, d)
				return true
			}, append([]any{in.after, in.before, int64(q.Limit - len(list))}, values...)...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if q.After > 0 {
		slices.Reverse(list)
	}
	j.addSpoken(list)
	return list, err
}

// statement takes a stretch and how many rows as its first parameters; the
// others are returned.
func (q Query) statement(bodies bool) (query string, values []any) {
	query = "SELECT " + deliveryColumns + fmt.Sprintf(", CASE WHEN length(body) <= %d THEN substr(body, 1, %d) END", listWhole, listBody) +
		" FROM deliveries d LEFT JOIN spoken ON spoken.id = d.id WHERE d.id > ?1 AND d.id < ?2"
	add := func(condition string, value any) {
		values = append(values, value)
		query += " AND " + strings.ReplaceAll(condition, "?", "?"+strconv.Itoa(3+len(values)))
	}
	for column, value := range map[string]string{"source": q.Source, "verdict": q.Verdict, "via": q.Via} {
		if value != "" {
			add(column+" = ?", value)
		}
	}
	if !q.Since.IsZero() {
		add("received >= ?", q.Since.UnixNano())
	}
	if !q.Until.IsZero() {
		add("received < ?", q.Until.UnixNano())
	}
	if q.Text != "" {
		text := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(q.Text[:min(len(q.Text), longestText)])
		condition := `CAST(body AS TEXT) LIKE ? ESCAPE '\'`
		if !bodies {
			condition = "(" + condition + ` OR kind LIKE ? ESCAPE '\' OR source LIKE ? ESCAPE '\')`
		}
		add(condition, "%"+text+"%")
	}
	order := "DESC"
	if q.After > 0 {
		order = "ASC"
	}
	return query + " ORDER BY d.id " + order + " LIMIT ?3", values
}

// ErrNoDelivery says that no delivery has this id, or no longer.
var ErrNoDelivery = errors.New("journal: no such delivery")

// Delivery returns one delivery, and the events that it was the first to tell.
func (j *Journal) Delivery(ctx context.Context, id int64) (event.Delivery, []event.Event, error) {
	found := make([]event.Delivery, 0, 1)
	var events []event.Event
	err := j.read(ctx, func(r *reader) error {
		var first int64
		err := r.db.each("SELECT "+deliveryColumns+", body FROM deliveries d LEFT JOIN spoken ON spoken.id = d.id WHERE d.id = ?", func(row []driver.Value) {
			var d event.Delivery
			d, first = scanDelivery(row)
			found = append(found, d)
		}, id)
		if err != nil || len(found) == 0 || found[0].News == 0 {
			return err
		}
		last := first + int64(found[0].News) - 1
		return r.events.each(ctx, func(row []driver.Value) bool {
			e := event.Event{}
			if err := scanEvent(row, &e); err != nil {
				return true
			}
			if e.Seq <= last {
				events = append(events, e)
			}
			return e.Seq < last
		}, first-1)
	})
	if err == nil && len(found) == 0 {
		err = ErrNoDelivery
	}
	if err != nil {
		return event.Delivery{}, nil, err
	}
	j.addSpoken(found)
	return found[0], events, nil
}

func scanDelivery(row []driver.Value) (d event.Delivery, first int64) {
	number := func(i int) int64 {
		n, _ := row[i].(int64)
		return n
	}
	d.ID, d.Received = number(0), toTime(row[1])
	d.Source, _ = row[2].(string)
	d.Kind, _ = row[3].(string)
	d.Via, _ = row[4].(string)
	d.Verdict, _ = row[5].(string)
	if header, ok := row[6].(string); ok {
		_ = json.Unmarshal([]byte(header), &d.Header)
	}
	d.Query, _ = row[7].(string)
	d.Size, d.News, d.Replays, d.Spoken = int(number(8)), int(number(9)), number(10), toTime(row[11])
	d.Body, _ = row[13].([]byte)
	return d, number(12)
}
