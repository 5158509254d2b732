package fcm

import (
	"fmt"
	"strconv"
	"time"

	"github.com/halobestie/bestie-gateway/core/push"
)

// request is the body of messages:send. Only what we use is declared.
type request struct {
	Message message `json:"message"`
}

type message struct {
	Token        string            `json:"token"`
	Data         map[string]string `json:"data"` // FCM takes no other values than strings
	Notification notification      `json:"notification"`
	Android      *android          `json:"android,omitempty"`
	APNS         *apns             `json:"apns,omitempty"`
	Webpush      *webpush          `json:"webpush,omitempty"`
}

type notification struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

type android struct {
	Priority     string              `json:"priority"`
	TTL          string              `json:"ttl"`
	CollapseKey  string              `json:"collapse_key"` // replaces what waits for a phone that is off; four a phone
	Notification androidNotification `json:"notification"`
}

type androidNotification struct {
	ChannelID string `json:"channel_id"`
	Tag       string `json:"tag"` // replaces what is shown
}

type apns struct {
	Headers map[string]string `json:"headers"`
	Payload apnsPayload       `json:"payload"`
}

type apnsPayload struct {
	APS aps `json:"aps"`
}

type aps struct {
	Sound             string `json:"sound,omitempty"`
	InterruptionLevel string `json:"interruption-level"`
	ThreadID          string `json:"thread-id"`
}

type webpush struct {
	Headers      map[string]string   `json:"headers"`
	Notification webpushNotification `json:"notification"`
}

type webpushNotification struct {
	Tag string `json:"tag"`
}

// formOf is the message with the section of its platform.
func formOf(m push.Message) message {
	form := message{Token: m.Token, Data: m.Data, Notification: notification{m.Title, m.Body}}
	ttl := strconv.FormatInt(int64(max(m.TTL, 0)/time.Second), 10)
	switch m.Platform {
	case push.IOS:
		form.APNS = apnsOf(m)
	case push.Web:
		urgency := "normal"
		if m.Urgent {
			urgency = "high"
		}
		form.Webpush = &webpush{Headers: map[string]string{"TTL": ttl, "Urgency": urgency}, Notification: webpushNotification{m.Collapse}}
	default:
		priority := "normal"
		if m.Urgent {
			priority = "high"
		}
		form.Android = &android{
			Priority: priority, TTL: ttl + "s", CollapseKey: m.Collapse,
			Notification: androidNotification{ChannelID: string(m.Channel), Tag: m.Collapse},
		}
	}
	return form
}

func apnsOf(m push.Message) *apns {
	out := &apns{
		Headers: map[string]string{
			"apns-push-type": "alert", "apns-priority": "5",
			"apns-expiration": fmt.Sprint(m.ExpiresAt.Unix()), "apns-collapse-id": m.Collapse,
		},
		Payload: apnsPayload{aps{InterruptionLevel: "active", ThreadID: string(m.Channel)}},
	}
	if m.Urgent {
		out.Headers["apns-priority"] = "10"
		out.Payload.APS.Sound = "default"
		out.Payload.APS.InterruptionLevel = "time-sensitive"
	}
	return out
}
