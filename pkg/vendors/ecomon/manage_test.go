package ecomon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	key  = "intermediary-api-key_0451-0451"
	ours = "https://home.example/hook/ecomon/token"
)

func openCloud(t *testing.T, change ...func(*simulator.Ecomon)) (*simulator.Ecomon, *Client) {
	t.Helper()
	cloud := simulator.NewEcomon(key, nil)
	for _, f := range change {
		f(cloud)
	}
	url, err := cloud.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud, &Client{URL: url + "/", Key: key}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setUp does all that there is to do, as one who knows the page would.
func setUp(t *testing.T, c *Client) (changes int) {
	t.Helper()
	count := func(changed bool, err error) {
		t.Helper()
		must(t, err)
		if changed {
			changes++
		}
	}
	must(t, c.SetSecret(t.Context(), secret))
	have, err := c.Settings(t.Context())
	must(t, err)
	count(c.SetLimit(t.Context(), have, Hourly, "device_1", 5000))
	count(c.SetLimit(t.Context(), have, Estimated, "device_1", 4500))
	have, err = c.Settings(t.Context())
	must(t, err)
	for _, s := range have {
		if s.Device == "device_1" {
			count(c.Attach(t.Context(), s, ours))
		}
	}
	return changes
}

// TestSetUp: in both versions of the API, with either form of the key, and
// again without doing anything twice.
func TestSetUp(t *testing.T) {
	for name, change := range map[string]func(*simulator.Ecomon){
		"newer": func(*simulator.Ecomon) {}, "older": (*simulator.Ecomon).Older, "bearer": (*simulator.Ecomon).Bearer,
		"both": func(s *simulator.Ecomon) { s.Older(); s.Bearer() },
	} {
		t.Run(name, func(t *testing.T) {
			cloud, c := openCloud(t, change)
			cloud.Limit(simulator.HalfHourAlert, "device_1", 3000, "https://other.example/hook")
			cloud.Limit(simulator.HalfHourAlert, "device_2", 3000)
			if n := setUp(t, c); n != 4 {
				t.Errorf("%d changes, want 4", n)
			}
			want := []string{
				"HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING device_1 5000 https://other.example/hook " + ours,
				"HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING device_2 3000",
				"ESTIMATED_HOURLY_ACTIVE_ENERGY_LIMIT_WARNING device_1 4500 " + ours,
			}
			if got := cloud.Limits(); !slices.Equal(got, want) || cloud.Secret() != secret {
				t.Errorf("%q, secret %q", got, cloud.Secret())
			}
			must(t, c.Test(t.Context(), ours))
			if got := cloud.Waiting(); !slices.Equal(got, []string{simulator.EcomonTest}) {
				t.Errorf("%q wait", got)
			}
			if n := setUp(t, &Client{URL: c.URL, Key: key, Bearer: c.Bearer}); n != 0 || !slices.Equal(cloud.Limits(), want) {
				t.Errorf("again: %d changes, %q", n, cloud.Limits())
			}
			told := slices.ContainsFunc(cloud.Calls(), func(call simulator.Call) bool { return strings.Contains(call.Body, simulator.ContinuousAlert) })
			if required := name == "older" || name == "both"; told != required {
				t.Errorf("an alertType was told: %v, it is required: %v", told, required)
			}
			if denied := slices.ContainsFunc(cloud.Calls()[1:], func(call simulator.Call) bool { return call.Status == 401 }); denied {
				t.Error("the form of the key that is right is not remembered")
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for name, change := range map[string]func(*simulator.Ecomon){
		"newer": func(*simulator.Ecomon) {}, "older": (*simulator.Ecomon).Older, "closed": (*simulator.Ecomon).Closed,
	} {
		cloud, c := openCloud(t, change)
		cloud.Limit(simulator.HalfHourAlert, "device_1", 3000, ours, "https://other.example/hook")
		cloud.Limit(simulator.ContinuousAlert, "device_2", 4000)
		list, err := c.Settings(t.Context())
		must(t, err)
		got := ""
		for _, s := range list {
			limit := "-"
			if s.Limit != nil {
				limit = fmt.Sprint(*s.Limit)
			}
			got += fmt.Sprintf("%.5s %s %s %v;", s.Kind, s.Device, limit, s.Channels)
			if told := s.ID != ""; told != (name != "closed") {
				t.Errorf("%s: id %q", name, s.ID)
			}
		}
		if want := "Price  - [];Hourl device_1 3000 [" + ours + " https://other.example/hook];Estim device_2 4000 [];"; got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
}

func TestAClosedAPIIsSetUpByHand(t *testing.T) {
	cloud, c := openCloud(t, (*simulator.Ecomon).Closed)
	cloud.Limit(simulator.HalfHourAlert, "device_1", 3000)
	list, err := c.Settings(t.Context())
	must(t, err)
	_, attached := c.Attach(t.Context(), list[1], ours)
	for _, err := range []error{c.SetSecret(t.Context(), secret), c.Test(t.Context(), ours), attached} {
		if r := refusal(t, err); !strings.Contains(r.Reason, "Playground") || len(r.Reason) > 200 {
			t.Errorf("%+v", r)
		}
	}
}

func refusal(t *testing.T, err error) *event.Refusal {
	t.Helper()
	var r *event.Refusal
	if !errors.As(err, &r) || r.Reason != err.Error() || strings.Contains(r.Reason, "\n") {
		t.Fatalf("%#v is no refusal", err)
	}
	return r
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		fault  simulator.Fault
		reason string
		status int
	}{
		"the key":        {simulator.Status(401), "Ecomon refuses the API key: is it right?", 401},
		"… in GraphQL":   {simulator.GraphQLError("who are you", "UNAUTHENTICATED"), "Ecomon refuses the API key: is it right?", 401},
		"too many":       {simulator.TooMany("30"), "Ecomon asks for a pause: too many calls.", 429},
		"a web page":     {simulator.WebPage(), "Ecomon answered with a web page instead of data: is the address right?", 200},
		"an outage":      {simulator.Status(502), "Ecomon has a problem of its own (HTTP status 502).", 502},
		"no such path":   {simulator.Status(404), "Ecomon answered with HTTP status 404 instead of data: is the address right?", 404},
		"400 of a proxy": {simulator.Raw(400, nil, "bad"), "Ecomon answered with HTTP status 400 instead of data: is the address right?", 400},
		"an error":       {simulator.GraphQLError("no \n such\x00thing", "X"), "Ecomon reports a failure: “no such thing”", 200},
		"the key echoed": {simulator.GraphQLError("key "+key+" is bad", "X"), "Ecomon reports a failure; its reason is left out because it repeats the API key.", 200},
		"half of it":     {simulator.Truncated(), "Ecomon's answer is cut off in the middle.", 200},
		"nothing":        {simulator.Raw(200, nil, ""), "Ecomon's answer is empty.", 200},
		"another shape":  {simulator.Raw(200, nil, `{"data":{"currentIntermediary":[7]}}`), "Ecomon's answer cannot be read.", 200},
		"a list":         {simulator.Raw(200, nil, `[]`), "Ecomon's answer cannot be read.", 200},
		"no data":        {simulator.Raw(200, nil, `{"x":1}`), "Ecomon's answer cannot be read.", 200},
		"null for data":  {simulator.Raw(200, nil, `{"data":null}`), "Ecomon's answer cannot be read.", 200},
		"nobody's key":   {simulator.Raw(200, nil, `{"data":{"currentIntermediary":null}}`), "Ecomon has no account for the API key: is it the intermediary's?", 200},
		"a redirect":     {simulator.Redirect("https://example.com/"), "Ecomon answered with HTTP status 302 instead of data: is the address right?", 302},
		"no answer":      {simulator.HangUp(), "Ecomon broke the connection off.", 0},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, client := openCloud(t)
			_, err := client.Settings(t.Context()) // so that it is known what to ask
			must(t, err)
			cloud.Break(c.fault)
			_, err = client.Settings(t.Context())
			if r := refusal(t, err); r.Reason != c.reason || r.Status != c.status || r.Unauthorized != (c.status == 401) || c.status == 429 && r.RetryAfter != 30*time.Second {
				t.Errorf("%+v, want %s", r, c.reason)
			}
			cloud.Mend()
			if _, err := client.Settings(t.Context()); err != nil || client.Bearer {
				t.Errorf("after it was mended: %v", err)
			}
		})
	}
}

func TestMutationsThatDoNotSucceed(t *testing.T) {
	cloud, c := openCloud(t)
	if r := refusal(t, second(c.Attach(t.Context(), Setting{ID: "nobody"}, ours))); !strings.Contains(r.Reason, "no success") {
		t.Errorf("%+v", r)
	}
	if r := refusal(t, second(c.Attach(t.Context(), Setting{}, ours))); !strings.Contains(r.Reason, "Playground") {
		t.Errorf("%+v", r)
	}
	limit := 1.0
	if r := refusal(t, second(c.SetLimit(t.Context(), []Setting{{Kind: Hourly, Device: "d", Limit: &limit}}, Hourly, "d", 2))); !strings.Contains(r.Reason, "wants “id”") {
		t.Errorf("%+v", r)
	}
	foreign := field{Name: "update" + string(Hourly), Args: []argument{{Name: "a\nb" + strings.Repeat("x", 500), Type: typeRef{Kind: "NON_NULL", OfType: &typeRef{Name: "String"}}}}}
	if _, err := c.fill(t.Context(), foreign, foreign.Args, nil, 0); len([]rune(refusal(t, err).Reason)) > 200 {
		t.Error(err)
	}
	if r := refusal(t, c.mutate(t.Context(), nil, "thisOne", "orThat")); r.Reason != "Ecomon's API has no thisOne and no orThat; see its Playground." {
		t.Errorf("%+v", r)
	}
	must(t, c.SetSecret(t.Context(), secret))
	for _, nothing := range []string{`{"data":{}}`, `{"data":{"setIntermediaryWebhookSetting":null}}`, `{"data":{"setIntermediaryWebhookSetting":{"success":false}}}`} {
		cloud.Break(simulator.Raw(200, nil, nothing).For(1))
		if r := refusal(t, c.SetSecret(t.Context(), secret)); !strings.Contains(r.Reason, "no success") {
			t.Errorf("%s: %+v", nothing, r)
		}
	}
	cloud.Break(simulator.GraphQLError("the secret "+secret+" is too short", "X"))
	if r := refusal(t, c.SetSecret(t.Context(), secret)); strings.Contains(r.Reason, "battery") {
		t.Errorf("%+v", r)
	}
}

func second(_ bool, err error) error { return err }

// TestWait: the caller says when, before every single call.
func TestWait(t *testing.T) {
	cloud, c := openCloud(t)
	waits := 0
	c.Wait = func(context.Context) error {
		if waits++; waits > 3 {
			return errors.New("enough")
		}
		return nil
	}
	if err := c.SetSecret(t.Context(), secret); err != nil || len(cloud.Calls()) != waits {
		t.Errorf("%d waits for %d calls, %v", waits, len(cloud.Calls()), err)
	}
	if err := c.Test(t.Context(), ours); err == nil || !strings.Contains(err.Error(), "enough") || len(cloud.Calls()) != 3 {
		t.Errorf("%v, %d calls", err, len(cloud.Calls()))
	}
	for _, call := range cloud.Calls() {
		if call.Method != http.MethodPost || call.Header.Get("X-Api-Key") != key || call.Header.Get("Authorization") != "" || call.Header.Get("User-Agent") != "grid2mqtt" {
			t.Errorf("%+v", call)
		}
	}
}
