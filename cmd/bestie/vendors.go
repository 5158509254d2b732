package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/core/push/fcm"
	"github.com/halobestie/bestie-gateway/core/push/pushlog"
)

// newPushSender makes the provider that the settings name; it calls nobody yet. done lets go of its connections. An error is a
// setting that cannot be used.
func newPushSender(c config.Push, log *slog.Logger) (sender push.Sender, done func(), err error) {
	if c.PushProvider == "log" {
		return pushlog.New(log), func() {}, nil
	}
	name, credentials := "FCM_CREDENTIALS_JSON", []byte(c.FCMCredentials)
	if c.FCMCredentialsFile != "" {
		name = "FCM_CREDENTIALS_FILE"
		if credentials, err = os.ReadFile(c.FCMCredentialsFile); err != nil {
			return nil, nil, fmt.Errorf("%s cannot be read: %w", name, err)
		}
	}
	google, err := fcm.New(fcm.Config{ProjectID: c.FCMProjectID, Credentials: credentials, URL: c.FCMBaseURL}, core.SystemClock)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is refused: %w", name, err)
	}
	return google, google.Close, nil
}
