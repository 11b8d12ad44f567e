// Package e2e sees everything from outside: the built program, a real Mosquitto, a real Home Assistant, a real browser.
package e2e

import "testing"

// TestHome shares one Home Assistant among all its parts, which run one after the other: a start costs seconds, a birth nine.
func TestHome(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	t.Logf("Home Assistant: %+v, %d MiB", h.hass.Timing, h.hass.Memory()>>20)
	t.Run("platform", func(t *testing.T) { platform(t, h) })
	t.Run("proof", func(t *testing.T) { proof(t, h) })
}
