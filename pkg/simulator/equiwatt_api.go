package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// The vendor's limits
// (https://community.equiwatt.com/t/webhook-open-api-now-in-beta/159).
const (
	perSecond = 1
	perMinute = 10
)

// shown is how many previous events an answer holds, as the one published
// capture has it.
const shown = 10

// mayAsk wants the token.
func (s *Equiwatt) mayAsk(r *http.Request, _ []byte) (no said, ok bool) {
	return equiwattFailure(http.StatusUnauthorized, "Invalid token."), r.Header.Get("Authorization") == "Bearer "+s.token
}

func equiwattRefusal(status int) said {
	message := map[int]string{
		http.StatusTooManyRequests:  "Request was throttled.",
		http.StatusNotFound:         "Not found.",
		http.StatusMethodNotAllowed: "Method not allowed.",
	}
	return equiwattFailure(status, message[status])
}

func equiwattFailure(status int, message string) said {
	return said{status: status, json: equiwattReply{Message: &message}}
}

// Failure answers 200 with success:false and that message.
func Failure(message string) Fault {
	text, _ := json.Marshal(equiwattReply{Message: &message}) // text only: cannot fail
	return Raw(http.StatusOK, nil, string(text))
}

type equiwattReply struct {
	Success bool          `json:"success"`
	Message *string       `json:"msg"`
	Data    *equiwattData `json:"data"`
}

type equiwattData struct {
	Current  *equiwattEntry  `json:"current_event"`
	Previous []equiwattEntry `json:"previous_events"`
}

type equiwattEntry struct {
	Start int64  `json:"start_time"`
	End   *int64 `json:"end_time"`
}

// answer tells of the account's equivents.
func (s *Equiwatt) answer(*http.Request, []byte) said {
	list := slices.Clone(s.equivents)
	slices.SortStableFunc(list, func(a, b *equivent) int { return b.start.Compare(a.start) })
	d := equiwattData{Previous: []equiwattEntry{}}
	for i, e := range list {
		current := i == 0 && e.end.IsZero() && !s.nullEnd
		switch {
		case e.hidden:
		case current:
			d.Current = &equiwattEntry{e.start.Unix(), seconds(e.plan)}
		case len(d.Previous) < shown:
			d.Previous = append(d.Previous, equiwattEntry{e.start.Unix(), seconds(e.end)})
		}
	}
	return said{json: equiwattReply{Success: true, Data: &d}}
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}
