package capacitor

import (
	"strings"
	"testing"
	"time"
)

// TestAsk: that something is not known, or a charger not connected, is an
// answer, and no trouble of the API's.
func TestAsk(t *testing.T) {
	for name, c := range map[string]struct {
		question Question
		status   int
		sample   string
		want     string // the events, or the start of an error
	}{
		"all":                            {Question{AskChargers, ""}, 200, "chargers_list", "CHARGER-001 is online"},
		"one":                            {Question{AskCharger, "CHARGER-001"}, 200, "charger_detail", "CHARGER-001 is online, CHARGER-001/1 is Available"},
		"one that is gone":               {Question{AskCharger, "A"}, 404, "error_not_found", "A is gone"},
		"one that is not connected":      {Question{AskCharger, "A"}, 503, "error_not_connected", "A is offline"},
		"a charge":                       {Question{AskTransaction, "12345"}, 200, "transaction_detail", "CHARGER-001/1 12:00 12:45 14000"},
		"a charge that is gone":          {Question{AskTransaction, "7"}, 404, "error_not_found", " - - ?"},
		"a charge of who knows whom":     {Question{AskTransaction, "7"}, 503, "error_not_connected", ""},
		"charges":                        {Question{AskTransactions, "CHARGER-001"}, 200, "assumed_transactions_list", "CHARGER-001/1 12:00 12:45 14000"},
		"charges of one that is not":     {Question{AskTransactions, "A"}, 503, "error_not_connected", "A is offline"},
		"charges, and nobody knows them": {Question{AskTransactions, "A"}, 404, "error_not_found", ""},
		"all, and the key is not taken":  {Question{AskChargers, ""}, 401, "error_unauthorized", "error: Capacitor refuses the API key"},
	} {
		v := serve(t, func(string, string) (int, string) { return c.status, sample(t, c.sample) })
		reply, err := v.client().Ask(t.Context(), c.question)
		told := []string{}
		for _, e := range reply.Events(arrival) {
			told = append(told, shape(e))
		}
		got := strings.Join(told, ", ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want && (err == nil || c.want == "" || !strings.HasPrefix(got, c.want)) || err == nil && len(reply.Body) == 0 {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestByTheVendorsClock: webhooks carry the vendor's time, so an answer's is
// his too, as long as ours is about the same.
func TestByTheVendorsClock(t *testing.T) {
	for date, want := range map[time.Time]time.Time{
		arrival.Add(-30 * time.Second): arrival.Add(-30 * time.Second),
		arrival.Add(30 * time.Second):  arrival,
		arrival.Add(-time.Hour):        arrival,
		{}:                             arrival,
	} {
		at := arrival.Add(-10 * time.Minute)
		r := Reply{Date: date, detail: &Charger{ID: "A", Online: new(true), Connectors: []Connector{{ID: 1, Status: "Available"}, {ID: 2, Status: "Available", Updated: at}}}}
		told := r.Events(arrival)
		if !told[0].At.Equal(want) || !told[1].At.Equal(want) || !told[2].At.Equal(at) || !told[0].Seen.Equal(arrival) {
			t.Errorf("told at %v: %v, %v, %v", date, told[0].At, told[1].At, told[2].At)
		}
	}
}
