package simulator

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// mayAsk wants key, tenant and version.
func (s *PowerResponse) mayAsk(r *http.Request, _ []byte) (no said, ok bool) {
	switch {
	case r.Header.Get("X-Api-Key") != s.key || r.Header.Get("Tenant") != s.tenant:
		return responseError(http.StatusUnauthorized, "Invalid API key or tenant"), false
	case r.Header.Get("X-Api-Version") != "1.0":
		return responseError(http.StatusBadRequest, "Unsupported API version"), false
	}
	return no, true
}

func responseError(status int, detail string) said {
	return said{status: status, json: map[string]string{
		"message": http.StatusText(status), "error": cmp.Or(detail, "No details available"),
	}}
}

func (s *PowerResponse) event(r *http.Request, _ []byte) said {
	uuid := r.PathValue("uuid")
	d := s.events[uuid]
	if d == nil {
		return s.refuse(http.StatusNotFound)
	}
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return said{json: map[string]any{
		"uuid": uuid, "name": d.Name, "type": d.Type, "status": d.Status, "startDateTime": at(d.Start), "endDateTime": at(d.End),
		"optInRequired": d.OptInRequired, "incentive": d.Incentive, "incentiveType": "EXAMPLE_INCENTIVE", "eligibility": map[string]string{},
	}}
}

func (s *PowerResponse) assets(r *http.Request, _ []byte) said {
	d := s.events[r.PathValue("uuid")]
	if d == nil {
		return s.refuse(http.StatusNotFound)
	}
	items := []any{}
	for i, uuid := range slices.Sorted(maps.Keys(d.Assets)) {
		asset := map[string]string{"uuid": uuid, "assetId": "meter-" + strconv.Itoa(i+1)}
		items = append(items, map[string]any{"asset": asset, "state": d.Assets[uuid]})
	}
	return responsePage(r, items)
}

// responsePage is one page of a list, in the vendor's envelope.
func responsePage(r *http.Request, items []any) said {
	number := func(name string, usual int) int {
		n, err := strconv.Atoi(r.URL.Query().Get(name))
		if err != nil || n < 1 {
			return usual
		}
		return n
	}
	page, size := number("page", 1), min(number("pageSize", 10), 100)
	from, to := min((page-1)*size, len(items)), min(page*size, len(items))
	return said{json: map[string]any{
		"items": items[from:to],
		"pagination": map[string]any{
			"totalItems": len(items), "itemCount": to - from, "itemsPerPage": size,
			"totalPages": (len(items) + size - 1) / size, "currentPage": page, "hasMore": to < len(items),
		},
	}}
}

// optIn notes what assets are to do. All of them must take part in the event.
func (s *PowerResponse) optIn(r *http.Request, body []byte) said {
	d := s.events[r.PathValue("uuid")]
	if d == nil {
		return s.refuse(http.StatusNotFound)
	}
	var ask struct {
		Statuses []struct {
			AssetUUIDs []string
			Status     string
		}
	}
	if json.Unmarshal(body, &ask) != nil || len(ask.Statuses) == 0 {
		return responseError(http.StatusBadRequest, "statuses is required")
	}
	for _, group := range ask.Statuses {
		for _, uuid := range group.AssetUUIDs {
			if _, takesPart := d.Assets[uuid]; !takesPart || group.Status != "OPT_IN" && group.Status != "OPT_OUT" {
				return responseError(http.StatusBadRequest, "unknown asset or status")
			}
		}
	}
	for _, group := range ask.Statuses {
		for _, uuid := range group.AssetUUIDs {
			d.Assets[uuid] = group.Status
		}
	}
	return said{status: http.StatusCreated}
}

func (s *PowerResponse) webhooks(r *http.Request, _ []byte) said {
	items := []any{}
	for _, h := range s.hooks {
		items = append(items, h)
	}
	return responsePage(r, items)
}

func (s *PowerResponse) subscribe(_ *http.Request, body []byte) said {
	var h subscription
	if json.Unmarshal(body, &h) != nil || h.Name == "" || h.URL == "" || len(h.Types) == 0 {
		return responseError(http.StatusBadRequest, "name, url and eventTypes are required")
	}
	h.UUID, h.Token = s.uuid(), ""
	s.hooks = append(s.hooks, h)
	if s.amt {
		h.Token = s.token
	}
	return said{status: http.StatusCreated, json: h}
}

func (s *PowerResponse) unsubscribe(r *http.Request, _ []byte) said {
	n := len(s.hooks)
	s.hooks = slices.DeleteFunc(s.hooks, func(h subscription) bool { return h.UUID == r.PathValue("uuid") })
	if len(s.hooks) == n {
		return s.refuse(http.StatusNotFound)
	}
	return said{} // 200, where one would expect 204
}
