package ecomon

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

// canned gives every call the same answer.
type canned []byte

func (b canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, nil
}

// FuzzAnswers: whatever the API answers, to whichever question, is read or
// refused in one line.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{"data":{"__schema":{"mutationType":{"fields":[{"name":"setIntermediaryWebhookSetting","args":[{"name":"input","type":{"kind":"NON_NULL","ofType":{"kind":"INPUT_OBJECT","name":"I"}}}],"type":{"kind":"OBJECT","name":"P"}}]},"types":[{"name":"AlertSetting","possibleTypes":[{"name":"HourlyConsumptionLimitEstimationWarningAlertSetting"}]}]},"t0":{"kind":"INPUT_OBJECT","name":"I","inputFields":[{"name":"secret","type":{"kind":"SCALAR","name":"String"}}]},"currentIntermediary":{"alertSettings":[{"__typename":"HourlyConsumptionLimitEstimationWarningAlertSetting","k0_id":"1","k0_limitInWatts":5000,"k0_notificationChannels":[{"callbackUrl":"https://home.example"}]}]},"setIntermediaryWebhookSetting":{"success":true}}}`,
		`{"data":null,"errors":[{"message":"no"}]}`, `{"data":{"currentIntermediary":null}}`, `{"errors":[]}`, `<html>`, ``, `null`, "{\"data\":{\"t0\":null}}",
		`{"data":{"currentIntermediary":{"alertSettings":[null,{"__typename":7,"notificationChannels":"x"},{"__typename":"X","limitInWatts":"1"}]}}}`,
	} {
		f.Add([]byte(body))
	}
	v := vendortest.Vendor{Source: Source, Secrets: []string{key, secret}}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &Client{URL: "https://api.example", Key: key, HTTP: &http.Client{Transport: canned(body)}}
		list, err := c.Settings(t.Context())
		_, limited := c.SetLimit(t.Context(), list, Hourly, "device_1", 5000)
		all := []error{err, limited, c.SetSecret(t.Context(), secret), c.Test(t.Context(), ours)}
		for _, s := range list {
			if s.Kind == "" {
				t.Errorf("%+v", s)
			}
			_, err := c.Attach(t.Context(), s, ours)
			all = append(all, err)
		}
		for _, err := range all {
			var r *event.Refusal
			if err != nil && !errors.As(err, &r) {
				t.Errorf("%v is no refusal", err)
			}
			vendortest.Check(t, v, nil, err)
		}
	})
}
