package simulator

import "fmt"

// The kinds of settings, by https://ecomon.no/docs/developers/alert-settings,
// and their alerts.
var (
	settingOf = map[string]string{
		HalfHourAlert:   "HourlyConsumptionLimitEstimationWarningAlertSetting",
		ContinuousAlert: "EstimatedHourlyActiveEnergyLimitWarningAlertSetting",
	}
	alertOf = map[string]string{settingOf[HalfHourAlert]: HalfHourAlert, settingOf[ContinuousAlert]: ContinuousAlert}
)

// add makes a setting; the caller holds the lock.
func (s *Ecomon) add(kind, device string, limit float64) *alertSetting {
	s.number++
	a := &alertSetting{id: fmt.Sprint("setting_", s.number), kind: kind, device: device, limit: limit}
	s.settings = append(s.settings, a)
	return a
}

// attach makes a setting call a webhook, twice if it is told twice; the caller
// holds the lock.
func (s *Ecomon) attach(a *alertSetting, url, metadata string) {
	s.number++
	a.channels = append(a.channels, alertChannel{fmt.Sprint("channel_", s.number), url, metadata})
}

func (s *Ecomon) find(id any) *alertSetting {
	for _, a := range s.settings {
		if a.id == id {
			return a
		}
	}
	return nil
}

// told is a setting as the API shows it, with one that is about no device
// behind it, as the vendor's union may have others.
func (a *alertSetting) told() things {
	channels := []any{things{"__typename": "EmailNotificationChannel", "address": "kari@example.com"}}
	for _, ch := range a.channels {
		channels = append(channels, things{"__typename": "IntermediaryWebhookNotificationChannel", "callbackUrl": ch.url, "metadata": ch.metadata})
	}
	return things{
		"__typename": a.kind, "id": a.id, "deviceId": a.device, "limitInWatts": a.limit, "limitInWattHours": a.limit,
		"alertType": alertOf[a.kind], "notificationChannels": channels,
	}
}

func (s *Ecomon) intermediary(any, map[string]any) any {
	list := []any{things{"__typename": "PriceWarningAlertSetting", "id": "setting_price", "energyBiddingZone": "NO1", "createdBy": "user_1", "notificationChannels": []any{}}}
	for _, a := range s.settings {
		list = append(list, a.told())
	}
	return things{"alertSettings": list}
}

// outputs are the types of what the API shows, the same in both versions but
// for the kind of an id.
func (s *Ecomon) outputs(id string) []*graphType {
	setting := func(kind, limit, limitKind string) *graphType {
		return &graphType{kind: "OBJECT", name: kind, fields: []graphField{
			{name: "id", kind: id}, {name: "deviceId", kind: "String!"}, {name: limit, kind: limitKind}, {name: "alertType", kind: "AlertType!"},
			{name: "notificationChannels", kind: "[NotificationChannel!]!"},
		}}
	}
	return []*graphType{
		{kind: "OBJECT", name: "Query", fields: []graphField{{name: "currentIntermediary", kind: "Intermediary", answer: s.intermediary}}},
		{kind: "OBJECT", name: "Intermediary", fields: []graphField{{name: "alertSettings", kind: "[AlertSetting!]!"}}},
		{kind: "UNION", name: "AlertSetting", members: []string{settingOf[HalfHourAlert], settingOf[ContinuousAlert], "PriceWarningAlertSetting"}},
		setting(settingOf[HalfHourAlert], "limitInWatts", "Int!"),
		setting(settingOf[ContinuousAlert], "limitInWattHours", "Float"),
		{kind: "OBJECT", name: "PriceWarningAlertSetting", fields: []graphField{
			{name: "id", kind: "String"}, {name: "energyBiddingZone", kind: "String!"}, {name: "createdBy", kind: "String"},
			{name: "notificationChannels", kind: "[NotificationChannel!]!"},
		}},
		{kind: "UNION", name: "NotificationChannel", members: []string{"IntermediaryWebhookNotificationChannel", "EmailNotificationChannel"}},
		{kind: "OBJECT", name: "IntermediaryWebhookNotificationChannel", fields: []graphField{{name: "metadata", kind: "String"}, {name: "callbackUrl", kind: "String!"}}},
		{kind: "OBJECT", name: "EmailNotificationChannel", fields: []graphField{{name: "address", kind: "String!"}}},
		{kind: "ENUM", name: "AlertType", words: []string{HalfHourAlert, ContinuousAlert}},
	}
}

// deed is a mutation.
type deed struct {
	name   string
	inputs []graphInput
	do     func(args map[string]any) bool // whether it was a success
}

func (s *Ecomon) deeds(secret, id string, alertType ...graphInput) []deed {
	limit := func(args map[string]any) float64 {
		if v, ok := args["limitInWatts"].(float64); ok {
			return v
		}
		v, _ := args["limitInWattHours"].(float64)
		return v
	}
	text := func(args map[string]any, name string) string {
		v, _ := args[name].(string)
		return v
	}
	list := []deed{
		{secret, []graphInput{{"secret", "String!"}}, func(args map[string]any) bool { s.secret = text(args, "secret"); return s.secret != "" }},
		{"testWebhookSetting", []graphInput{{"callbackUrl", "String!"}}, func(args map[string]any) bool {
			s.write(EcomonTest, text(args, "callbackUrl"), `{"event":"webhook:test"}`)
			return true
		}},
		{"addIntermediaryWebhookNotificationChannelToAlertSetting", []graphInput{{"alertSettingId", "ID!"}, {"callbackUrl", "String!"}, {"metadata", "String"}}, func(args map[string]any) bool {
			a := s.find(args["alertSettingId"])
			if a != nil {
				s.attach(a, text(args, "callbackUrl"), text(args, "metadata"))
			}
			return a != nil
		}},
	}
	for alert, in := range map[string]graphInput{HalfHourAlert: {"limitInWatts", "Int!"}, ContinuousAlert: {"limitInWattHours", "Float!"}} {
		kind := settingOf[alert]
		list = append(list, deed{"add" + kind, append([]graphInput{{"deviceId", "String!"}, in}, alertType...), func(args map[string]any) bool {
			s.add(kind, text(args, "deviceId"), limit(args))
			return true
		}}, deed{"update" + kind, []graphInput{{id, "ID!"}, in}, func(args map[string]any) bool {
			a := s.find(args[id])
			if a != nil {
				a.limit = limit(args)
			}
			return a != nil
		}})
	}
	return list
}

// newer is the API of today's documentation. How its arguments are wrapped is
// assumed from the rest of it: one input, and a payload that tells success.
func (s *Ecomon) newer() *graph {
	types := s.outputs("ID!")
	root := &graphType{kind: "OBJECT", name: "Mutation"}
	for _, d := range s.deeds("setIntermediaryWebhookSetting", "id", graphInput{"alertType", "AlertType"}) {
		types = append(types, &graphType{kind: "INPUT_OBJECT", name: d.name + "Input", inputs: d.inputs},
			&graphType{kind: "OBJECT", name: d.name + "Payload", fields: []graphField{{name: "success", kind: "Boolean!"}}})
		root.fields = append(root.fields, graphField{
			name: d.name, kind: d.name + "Payload!", args: []graphInput{{"input", d.name + "Input!"}},
			answer: func(_ any, args map[string]any) any {
				input, _ := args["input"].(map[string]any)
				return things{"success": d.do(input)}
			},
		})
	}
	return newGraph(append(types, root)...)
}

// older is the API of the older documentation, with plain arguments and answers
// as far as they can differ.
func (s *Ecomon) older() *graph {
	root := &graphType{kind: "OBJECT", name: "Mutation"}
	for _, d := range s.deeds("addIntermediaryWebhookSetting", "alertSettingId", graphInput{"alertType", "AlertType!"}) {
		root.fields = append(root.fields, graphField{
			name: d.name, kind: "Boolean", args: d.inputs,
			answer: func(_ any, args map[string]any) any { return d.do(args) },
		})
	}
	return newGraph(append(s.outputs("String!"), root)...)
}
