package hass

import (
	"context"
	"errors"
)

// Entity is a row of the entity registry. What a document said stands in Original…; Name, Icon and Class are the user's.
type Entity struct {
	EntityID      string         `json:"entity_id"`
	UniqueID      string         `json:"unique_id"`
	Platform      string         `json:"platform"`
	DeviceID      string         `json:"device_id"`
	ConfigEntryID string         `json:"config_entry_id"`
	Name          string         `json:"name"`
	OriginalName  string         `json:"original_name"`
	Icon          string         `json:"icon"`
	OriginalIcon  string         `json:"original_icon"`
	Class         string         `json:"device_class"`
	OriginalClass string         `json:"original_device_class"`
	Category      string         `json:"entity_category"`
	DisabledBy    string         `json:"disabled_by"`
	HiddenBy      string         `json:"hidden_by"`
	AreaID        string         `json:"area_id"`
	Capabilities  map[string]any `json:"capabilities"` // state_class, options, event_types
}

// Device is a row of the device registry.
type Device struct {
	ID               string     `json:"id"`
	Name             string     `json:"name"`
	NameByUser       string     `json:"name_by_user"`
	Identifiers      [][]string `json:"identifiers"`
	Manufacturer     string     `json:"manufacturer"`
	Model            string     `json:"model"`
	SWVersion        string     `json:"sw_version"`
	SerialNumber     string     `json:"serial_number"`
	ConfigurationURL string     `json:"configuration_url"`
	ViaDeviceID      string     `json:"via_device_id"`
	AreaID           string     `json:"area_id"`
}

// Entities lists the whole entity registry, disabled ones too.
func (h *Instance) Entities(ctx context.Context) ([]Entity, error) {
	var rows []Entity
	if err := h.Command(ctx, "config/entity_registry/list", nil, &rows); err != nil || len(rows) == 0 {
		return nil, err
	}
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.EntityID)
	}
	// Only this command tells classes and icons.
	var full map[string]*Entity
	if err := h.Command(ctx, "config/entity_registry/get_entries", map[string]any{"entity_ids": ids}, &full); err != nil {
		return nil, err
	}
	rows = rows[:0]
	for _, id := range ids {
		if e := full[id]; e != nil { // nil: removed between the commands
			rows = append(rows, *e)
		}
	}
	return rows, nil
}

// Devices lists all devices.
func (h *Instance) Devices(ctx context.Context) ([]Device, error) {
	var d []Device
	err := h.Command(ctx, "config/device_registry/list", nil, &d)
	return d, err
}

// Device with an identifier as our documents have it, or ErrNotFound.
func (h *Instance) Device(ctx context.Context, identifier string) (Device, error) {
	all, err := h.Devices(ctx)
	for _, d := range all {
		for _, id := range d.Identifiers {
			if len(id) == 2 && id[1] == identifier {
				return d, nil
			}
		}
	}
	return Device{}, errors.Join(err, ErrNotFound)
}

// DeleteDevice does what "Delete" on the page of a device does.
func (h *Instance) DeleteDevice(ctx context.Context, deviceID, configEntryID string) error {
	args := map[string]any{"device_id": deviceID, "config_entry_id": configEntryID}
	return h.Command(ctx, "config/device_registry/remove_config_entry", args, nil)
}

// DeviceTriggers lists what the automation editor offers for a device.
func (h *Instance) DeviceTriggers(ctx context.Context, deviceID string) ([]map[string]any, error) {
	var t []map[string]any
	err := h.Command(ctx, "device_automation/trigger/list", map[string]any{"device_id": deviceID}, &t)
	return t, err
}
