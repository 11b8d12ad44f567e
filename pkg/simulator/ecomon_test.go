package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

const ecomonKey = "intermediary-api-key_0451"

func openEcomon(t *testing.T) (s *Ecomon, ask func(query string, variables ...any) (int, string)) {
	t.Helper()
	s = NewEcomon(ecomonKey, nil)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, func(query string, variables ...any) (int, string) {
		t.Helper()
		given := things{}
		for i := 0; i+1 < len(variables); i += 2 {
			given[variables[i].(string)] = variables[i+1]
		}
		body, err := json.Marshal(things{"query": query, "variables": given})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-KEY", ecomonKey)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
}

// documentedQuery is the query of the vendor's page.
const documentedQuery = `query currentIntermediary { currentIntermediary { alertSettings { __typename
	... on HourlyConsumptionLimitEstimationWarningAlertSetting { deviceId limitInWatts alertType notificationChannels { ... on IntermediaryWebhookNotificationChannel { metadata callbackUrl } } }
	... on EstimatedHourlyActiveEnergyLimitWarningAlertSetting { deviceId limitInWattHours alertType notificationChannels { ... on IntermediaryWebhookNotificationChannel { metadata callbackUrl } } } } } }`

func TestEcomonAnswers(t *testing.T) {
	s, ask := openEcomon(t)
	s.Limit(HalfHourAlert, "device_1", 5000, "https://home.example/hook")
	for _, c := range []struct {
		query     string
		variables []any
		status    int
		want      string
	}{
		{documentedQuery, nil, 200, `{"data":{"currentIntermediary":{"alertSettings":[{"__typename":"PriceWarningAlertSetting"},{"__typename":"HourlyConsumptionLimitEstimationWarningAlertSetting",` +
			`"alertType":"HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING","deviceId":"device_1","limitInWatts":5000,"notificationChannels":[{},{"callbackUrl":"https://home.example/hook","metadata":""}]}]}}}`},
		{`{a:__type(name:"Mutation"){kind} b:__type(name:"Nothing"){kind}}`, nil, 200, `{"data":{"a":{"kind":"OBJECT"},"b":null}}`},
		{`{__type(name:"setIntermediaryWebhookSettingInput"){kind inputFields{name type{kind name ofType{kind name}}}}}`, nil, 200,
			`{"data":{"__type":{"inputFields":[{"name":"secret","type":{"kind":"NON_NULL","name":null,"ofType":{"kind":"SCALAR","name":"String"}}}],"kind":"INPUT_OBJECT"}}}`},
		{`mutation($i: setIntermediaryWebhookSettingInput!){done:setIntermediaryWebhookSetting(input:$i){success}}`, []any{"i", things{"secret": "s"}}, 200, `{"data":{"done":{"success":true}}}`},
		{`mutation { updateHourlyConsumptionLimitEstimationWarningAlertSetting(input: {id: "setting_1", limitInWatts: 6000}) { success } }`, nil, 200,
			`{"data":{"updateHourlyConsumptionLimitEstimationWarningAlertSetting":{"success":true}}}`},
		{`mutation { updateHourlyConsumptionLimitEstimationWarningAlertSetting(input: {id: "nobody", limitInWatts: 6000}) { success } }`, nil, 200,
			`{"data":{"updateHourlyConsumptionLimitEstimationWarningAlertSetting":{"success":false}}}`},
		{`{nothing}`, nil, 400, `Cannot query field \"nothing\" on type \"Query\".`},
		{`{currentIntermediary}`, nil, 400, `must have a selection`},
		{`{__typename{x}}`, nil, 400, `must not have a selection`},
		{`{currentIntermediary{... on Query{__typename}}}`, nil, 400, `Fragment cannot be spread`},
		{`{currentIntermediary{alertSettings{... on Nothing{id}}}}`, nil, 400, `Fragment cannot be spread`},
		{`{`, nil, 400, `Syntax Error`}, {`{}`, nil, 400, `Syntax Error`}, {`subscription{x}`, nil, 400, `Syntax Error`}, {`{a}}`, nil, 400, `Syntax Error`}, {`{a ~}`, nil, 400, `Syntax Error`}, {``, nil, 400, `Syntax Error`},
		{`mutation($i: setIntermediaryWebhookSettingInput!){setIntermediaryWebhookSetting(input:$i){success}}`, nil, 400, `was not provided`},
		{`mutation($i: setIntermediaryWebhookSettingInput!){setIntermediaryWebhookSetting(input:$i){success}}`, []any{"i", things{}}, 400, `was not provided`},
		{`mutation($i: setIntermediaryWebhookSettingInput!){setIntermediaryWebhookSetting(input:$i){success}}`, []any{"i", things{"secret": 1}}, 400, `cannot represent`},
		{`mutation($i: setIntermediaryWebhookSettingInput!){setIntermediaryWebhookSetting(input:$i){success}}`, []any{"i", things{"secret": "s", "x": 1}}, 400, `is not defined by type`},
		{`mutation($i: setIntermediaryWebhookSettingInput!){setIntermediaryWebhookSetting(input:$i){success}}`, []any{"i", nil}, 400, `not to be null`},
		{`mutation($i: String!){setIntermediaryWebhookSetting(input:$i){success}}`, []any{"i", "s"}, 400, `used in position expecting type`},
		{`mutation{setIntermediaryWebhookSetting{success}}`, nil, 400, `was not provided`},
		{`mutation{addIntermediaryWebhookSetting(secret:"s")}`, nil, 400, `Cannot query field`},
		{`mutation { addHourlyConsumptionLimitEstimationWarningAlertSetting(input: {deviceId: "d", limitInWatts: 1.5}) { success } }`, nil, 400, `Int cannot represent`},
		{`mutation { addHourlyConsumptionLimitEstimationWarningAlertSetting(input: {deviceId: "d", limitInWatts: 1, alertType: LOUD}) { success } }`, nil, 400, `AlertType cannot represent`},
	} {
		status, body := ask(c.query, c.variables...)
		if status != c.status || status == 200 && body != c.want || !strings.Contains(body, c.want) {
			t.Errorf("%s\n%v: %d %s\nwant %s", c.query, c.variables, status, body, c.want)
		}
	}
	if s.Secret() != "s" || !slices.Equal(s.Limits(), []string{HalfHourAlert + " device_1 6000 https://home.example/hook"}) {
		t.Errorf("%q %q", s.Secret(), s.Limits())
	}
}

func TestEcomonOlderAndClosed(t *testing.T) {
	s, ask := openEcomon(t)
	s.Older()
	for query, want := range map[string]string{
		`mutation($s: String!){addIntermediaryWebhookSetting(secret:$s)}`:                                                                     `{"data":{"addIntermediaryWebhookSetting":true}}`,
		`mutation{addEstimatedHourlyActiveEnergyLimitWarningAlertSetting(deviceId:"d",limitInWattHours:1,alertType:` + ContinuousAlert + `)}`: `{"data":{"addEstimatedHourlyActiveEnergyLimitWarningAlertSetting":true}}`,
		`mutation{setIntermediaryWebhookSetting(input:{secret:"s"}){success}}`:                                                                "Cannot query field",
	} {
		if _, body := ask(query, "s", "secret"); !strings.Contains(body, want) {
			t.Errorf("%s: %s", query, body)
		}
	}
	if s.Secret() != "secret" || len(s.Limits()) != 1 {
		t.Errorf("%q %q", s.Secret(), s.Limits())
	}
	s.Closed()
	if status, body := ask(`{__schema{queryType{name}}}`); status != 400 || !strings.Contains(body, "introspection is not allowed") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask(documentedQuery); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	s.Bearer()
	if status, _ := ask(documentedQuery); status != 401 {
		t.Errorf("%d", status)
	}
}

func TestEcomonWarns(t *testing.T) {
	s, _ := openEcomon(t)
	var mu sync.Mutex
	var heard []string
	house := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("X-Ecomon-Signature"), " ", string(body)))
	}))
	t.Cleanup(house.Close)
	says := func(want ...string) {
		t.Helper()
		heard = nil
		s.Deliver(t.Context(), InOrder)
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q\nwant  %q", heard, want)
		}
	}
	s.Test(house.URL + "/t")
	says(`POST /t  {"event":"webhook:test"}`)
	s.Sign("correct horse battery staple")
	s.Test(house.URL + "/t")
	says(`POST /t sha1=2a58f9477ae66ea3e89bd01456bcb7ba65d170fe {"event":"webhook:test"}`)

	s.Limit(HalfHourAlert, "device_1", 1000, house.URL+"/a")
	s.Limit(HalfHourAlert, "device_2", 1000, house.URL+"/a")
	s.Limit(HalfHourAlert, "device_3", 1000, house.URL+"/a")
	s.Limit(ContinuousAlert, "device_1", 900, house.URL+"/a", house.URL+"/b")
	s.Use("device_1", 800)
	s.Use("device_2", 501)
	s.Use("device_3", 500)
	s.HalfHour()
	says(`POST /a sha1=1b533c2088c949cc6feb008c743e1472cb844a90 {"data":{"alerts":[{"configuredLimitInWatts":1000,"consumptionThisFarInTheCurrentHourInWatts":800,"deviceId":"device_1"},` +
		`{"configuredLimitInWatts":1000,"consumptionThisFarInTheCurrentHourInWatts":501,"deviceId":"device_2"}]},"event":"HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING"}`)
	s.Sign("")
	s.Use("device_1", 101)
	s.Use("device_1", 1) // once an hour
	want := `{"data":{"alerts":[{"configuredLimitInWattHours":900,"deviceId":"device_1"}]},"event":"ESTIMATED_HOURLY_ACTIVE_ENERGY_LIMIT_WARNING"}`
	says("POST /a  "+want, "POST /b  "+want)
	s.FullHour()
	s.HalfHour()
	s.Use("device_1", 900)
	says()
	s.Use("device_1", 1)
	s.Say("price", `{"event":"PRICE_WARNING"}`)
	if got := s.Waiting(); !slices.Equal(got, []string{ContinuousAlert, ContinuousAlert, "price", "price"}) {
		t.Errorf("%q wait", got)
	}
}
