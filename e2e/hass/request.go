package hass

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ErrNotFound says that Home Assistant does not know it (yet).
var ErrNotFound = errors.New("not found")

// ask calls the HTTP API and decodes its answer into out unless that is nil.
func (h *Instance) ask(ctx context.Context, method, path string, in, out any) error {
	text, err := h.text(ctx, method, path, in)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("hass: %s %s: %w", method, path, err)
	}
	return nil
}

func (h *Instance) text(ctx context.Context, method, path string, in any) ([]byte, error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, fmt.Errorf("hass: %s: %w", path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, h.URL+path, &body)
	if err != nil {
		return nil, fmt.Errorf("hass: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if h.Token != "" {
		r.Header.Set("Authorization", "Bearer "+h.Token)
	}
	answer, err := h.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("hass: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("hass: %s: %w", path, err)
	case answer.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("hass: %s: %w", path, ErrNotFound)
	case answer.StatusCode >= 300:
		return nil, fmt.Errorf("hass: %s %s: %s: %s", method, path, answer.Status, text)
	}
	return text, nil
}
