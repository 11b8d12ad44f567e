package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// pollInterval is the shortest that the program takes.
const pollInterval = 10 * time.Second

// tenant is who the program is at PowerResponse.
const tenant = "00000000-0000-4000-8000-00000000d310"

// clouds are the simulated vendors.
type clouds struct {
	equiwatt      *simulator.Equiwatt
	ecomon        *simulator.Ecomon
	openvolt      *simulator.Openvolt
	capacitor     *simulator.Capacitor
	powerResponse *simulator.PowerResponse
}

// vendor is what all of them have.
type vendor struct {
	name, variable string // of its URL
	cloud          interface {
		Open(addr string) (url string, err error)
		Close() error
		Calls() []simulator.Call
		Violations() []string
		Lose(kinds ...string) int
		Mend()
	}
}

func (c clouds) vendors() []vendor {
	return []vendor{
		{"Equiwatt", "EQUIWATT_URL", c.equiwatt},
		{"Ecomon", "ECOMON_URL", c.ecomon},
		{"Openvolt", "OPENVOLT_URL", c.openvolt},
		{"Capacitor", "CAPACITOR_URL", c.capacitor},
		{"PowerResponse", "POWERRESPONSE_URL", c.powerResponse},
	}
}

// newClouds makes the vendors, and what the program has to know of them. Every
// key and every secret is made here, and lasts as long as the demo.
func newClouds(now time.Time) (c clouds, environ map[string]string) {
	environ = map[string]string{"EQUIWATT_POLL_INTERVAL": pollInterval.String(), "POWERRESPONSE_TENANT": tenant}
	secret := func(variable string) string {
		environ[variable] = "demo-" + rand.Text()
		return environ[variable]
	}
	c.equiwatt = simulator.NewEquiwatt(secret("EQUIWATT_TOKEN"), nil)
	c.past(now)
	c.ecomon = simulator.NewEcomon(secret("ECOMON_API_KEY"), nil)
	c.ecomon.Sign(secret("ECOMON_SECRET"))
	c.openvolt = simulator.NewOpenvolt(secret("OPENVOLT_API_KEY"), nil)
	c.capacitor = simulator.NewCapacitor(secret("CAPACITOR_API_KEY"), nil)
	c.capacitor.Add(chargerID, 1)
	c.capacitor.Boot(chargerID)
	c.capacitor.Sign("X-Webhook-Signature", "sha256=")
	secret("CAPACITOR_SECRET")
	c.powerResponse = simulator.NewPowerResponse(secret("POWERRESPONSE_API_KEY"), tenant, secret("POWERRESPONSE_TOKEN"), nil)
	return c, environ
}

// openClouds starts the vendors, and returns what the program has to know.
func (s *stage) openClouds() (environ map[string]string, err error) {
	s.clouds, environ = newClouds(time.Now())
	for _, v := range s.vendors() {
		if environ[v.variable], err = v.cloud.Open("127.0.0.1:0"); err != nil {
			return nil, err
		}
		s.later(v.cloud.Close)
	}
	return environ, nil
}

// subscribe is what the household does at each vendor: it names the webhooks'
// addresses.
func (s *stage) subscribe(secrets map[string]string) {
	for _, kind := range []string{simulator.Started, simulator.Ended} {
		s.equiwatt.Webhook(kind, simulator.Trigger{URL: s.hook("equiwatt") + "/" + kind})
	}
	s.ecomon.Limit(simulator.HalfHourAlert, readerID, limit, s.hook("ecomon"))
	s.ecomon.Prompt(true) // for the test that can be asked for on the page
	s.openvolt.Subscribe(s.hook("openvolt"))
	s.capacitor.Hook(s.hook("capacitor"), secrets["CAPACITOR_SECRET"])
	s.capacitor.Prompt(true) // they go out while the program asks
	s.powerResponse.Subscribe(s.hook("powerresponse"), responseTypes()...)
}

// responseTypes are what PowerResponse tells webhooks of.
func responseTypes() []string {
	return []string{simulator.EventCreated, simulator.EventUpdated, simulator.EventCancelled}
}

// calm ends what a part of the day that went wrong left behind.
func (c clouds) calm() {
	for _, v := range c.vendors() {
		v.cloud.Lose()
		v.cloud.Mend()
	}
	c.equiwatt.End(time.Now())
	c.equiwatt.Lose()
	c.equiwatt.NullEnd(false)
	c.capacitor.End(chargerID, 1, "Local")
	c.capacitor.Status(chargerID, 1, "Available")
}

// taken reports whether every webhook was answered as one that is kept.
func taken(receipts []simulator.Receipt) error {
	for _, r := range receipts {
		switch {
		case r.Err != nil:
			return fmt.Errorf("webhook: %w", r.Err)
		case r.Status != http.StatusOK:
			return fmt.Errorf("webhook: it was answered %d", r.Status)
		}
	}
	if len(receipts) == 0 {
		return errors.New("webhook: none was sent")
	}
	return nil
}

// listed is how many equivents the cloud knows of at the beginning.
const listed = 10

// past gives Equiwatt's cloud a history: an hour each in the evening, as long
// as the ones that a customer published
// (https://community.equiwatt.com/t/webhook-open-api-now-in-beta/159).
func (c clouds) past(now time.Time) {
	y, m, day := now.UTC().Date()
	for i := range listed {
		start := time.Date(y, m, day-1-3*i, 17, 1, 1+7*i, 0, time.UTC)
		c.equiwatt.Past(start, start.Add(time.Duration(3598-i)*time.Second))
	}
}
