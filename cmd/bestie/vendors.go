package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/auth/fazpass"
	"github.com/halobestie/bestie-gateway/core/auth/oidc"
	"github.com/halobestie/bestie-gateway/core/auth/otplog"
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

// signInVendors are those whom auth asks. What is nil is not set up.
type signInVendors struct {
	sender        auth.CodeSender
	google, apple auth.IDTokens
	grants        auth.AppleGrants
}

// newSignInVendors makes the ones that the settings name; it calls nobody yet. done lets go of their connections. An error is a setting
// that cannot be used.
func newSignInVendors(c config.Codes, i config.Identities, clock core.Clock, log *slog.Logger) (v signInVendors, done func(), err error) {
	client := oidc.NewClient()
	done = client.CloseIdleConnections
	v.sender = otplog.New(log)
	if c.OTPProvider == "fazpass" {
		sender, err := fazpass.New(fazpass.Config{
			MerchantKey: string(c.FazpassMerchantKey), GatewayKey: string(c.FazpassGatewayKey), URL: c.FazpassURL, Timeout: config.Seconds(c.FazpassTimeout),
		})
		if err != nil {
			return v, nil, err
		}
		v.sender = sender
		done = func() {
			sender.Close()
			client.CloseIdleConnections()
		}
	}
	if len(i.GoogleClients) > 0 {
		v.google = oidc.NewGoogle(i.GoogleClients, i.GoogleKeysURL, client, clock)
	}
	if len(i.AppleClients) > 0 {
		apple, err := oidc.NewApple(oidc.AppleConfig{
			Clients: i.AppleClients, TeamID: i.AppleTeamID, KeyID: i.AppleKeyID, PrivateKey: string(i.ApplePrivateKey), URL: i.AppleURL,
		}, client, clock)
		if err != nil {
			return v, nil, err
		}
		v.apple, v.grants = apple, apple
	}
	return v, done, nil
}
