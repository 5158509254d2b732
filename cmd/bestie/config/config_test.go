package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

const secret = "0123456789abcdef0123456789abcdef"

// enough is the least environment that serve runs with.
func enough(more ...string) []string {
	return append([]string{
		"DATABASE_URL=postgres://u:hunter2@db/x", "VALKEY_URL=redis://:hunter2@valkey:6379", "AUTH_JWT_SECRET=" + secret,
	}, more...)
}

func TestLoad_Defaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load[config.All](enough("LOG_LEVEL=", "PATH=/bin"))
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0:3000", c.PublicAddr)
	require.Equal(t, "127.0.0.1:3001", c.InternalAddr)
	require.Equal(t, c.DatabaseURL, c.DatabaseDirectURL)
	require.Equal(t, 45, c.StaleSeconds)
	require.Equal(t, slog.LevelInfo, c.LogLevel, "set but empty is not set")
	require.False(t, c.TestRoutes)
}

func TestLoad_Values(t *testing.T) {
	t.Parallel()
	c, err := config.Load[config.All](enough("PORT=8080", "WS_ALLOWED_ORIGINS=https://a.example,https://b.example:8443",
		"TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1,2001:db8::1", "LOG_LEVEL=debug", "LOG_FORMAT=text", "ENABLE_TEST_ROUTES=true",
		"DATABASE_DIRECT_URL=postgresql://direct/x"))
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0:8080", c.PublicAddr)
	require.Equal(t, []string{"https://a.example", "https://b.example:8443"}, c.AllowedOrigins)
	require.Equal(t, "[10.0.0.0/8 192.0.2.1/32 2001:db8::1/128]", fmt.Sprint(c.Proxies()))
	require.Equal(t, slog.LevelDebug, c.LogLevel)
	require.True(t, c.TestRoutes)
	require.Equal(t, "postgresql://direct/x", string(c.DatabaseDirectURL))

	c, err = config.Load[config.All](enough("PORT=8080", "PUBLIC_ADDR=127.0.0.1:9"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9", c.PublicAddr, "PUBLIC_ADDR wins")
}

func TestLoad_Mistakes(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"PUBLIC_ADDR=3000":                   "PUBLIC_ADDR must be host:port",
		"PORT=70000":                         "PORT must be from 0 to 65535",
		"PORT=http":                          "PORT must be a whole number",
		"INTERNAL_ADDR=localhost":            "INTERNAL_ADDR must be host:port",
		"DATABASE_URL=mysql://u:hunter2@x":   "DATABASE_URL must look like postgres://",
		"DATABASE_URL=postgres://u:hun\x7f@": "DATABASE_URL must look like postgres://",
		"DATABASE_MAX_CONNS=1":               "DATABASE_MAX_CONNS must be from 2 to 1000",
		"VALKEY_URL=http://x":                "VALKEY_URL must look like redis://",
		"VALKEY_KEY_PREFIX=a b":              "VALKEY_KEY_PREFIX must be printable",
		"AUTH_JWT_SECRET=hunter2":            "AUTH_JWT_SECRET must be at least 32 bytes",
		"AUTH_JWT_SECRET_PREVIOUS=hunter2":   "AUTH_JWT_SECRET_PREVIOUS must be at least 32 bytes",
		"WS_IDLE_TIMEOUT_SECONDS=4":          "WS_IDLE_TIMEOUT_SECONDS must be from 5 to 600",
		"WS_IDLE_TIMEOUT_SECONDS=10":         "WS_HEARTBEAT_SECONDS must be below WS_IDLE_TIMEOUT_SECONDS",
		"WS_ALLOWED_ORIGINS=app.example.com": "WS_ALLOWED_ORIGINS \"app.example.com\" is not an origin",
		"WS_ALLOWED_ORIGINS=https://a.b/c":   "WS_ALLOWED_ORIGINS \"https://a.b/c\" is not an origin",
		"CC_ORIGIN=https://a.example/":       "CC_ORIGIN must be one origin",
		"CC_ORIGIN=*":                        "CC_ORIGIN must be one origin",
		"CC_ORIGIN=null":                     "CC_ORIGIN must be one origin",
		"PRESENCE_GRACE_SECONDS=46":          "PRESENCE_GRACE_SECONDS must not be above",
		"TRUSTED_PROXIES=loadbalancer":       "TRUSTED_PROXIES \"loadbalancer\" is neither",
		"OTP_PROVIDER=pigeon":                "OTP_PROVIDER must be one of: log, fazpass",
		"FAZPASS_URL=http://fazpass.example": "FAZPASS_URL must look like https://",
		"APPLE_URL=https://apple.example/":   "APPLE_URL must look like https://",
		"GOOGLE_OAUTH_KEYS_URL=x":            "GOOGLE_OAUTH_KEYS_URL must look like https://",
		"APPLE_TEAM_ID=T":                    "APPLE_PRIVATE_KEY needs APPLE_TEAM_ID and APPLE_KEY_ID",
		"CC_SESSION_HOURS=0":                 "CC_SESSION_HOURS must be from 1 to 720",
		"PUSH_PROVIDER=pigeon":               "PUSH_PROVIDER must be one of: log, fcm",
		"FCM_BASE_URL=fcm":                   "FCM_BASE_URL must look like https://host",
		"PUSH_PROVIDER=fcm":                  "FCM_PROJECT_ID is missing",
		"ENABLE_TEST_ROUTES=maybe":           "ENABLE_TEST_ROUTES must be true or false",
		"PAYMENT_PROVIDER=cash":              "PAYMENT_PROVIDER must be one of: sandbox, xendit",
		"LOG_LEVEL=loud":                     "LOG_LEVEL must be debug, info, warn or error",
		"LOG_FORMAT=xml":                     "LOG_FORMAT must be one of: json, text",
		"ADMIN_EMAIL=root":                   "ADMIN_EMAIL must be an e-mail address",
		"ADMIN_PASSWORD=hunter2":             "ADMIN_EMAIL is missing",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load[config.All](enough(setting))
			var mistakes config.Mistakes
			require.ErrorAs(t, err, &mistakes)
			require.Len(t, mistakes, 1)
			require.True(t, strings.HasPrefix(mistakes[0], want), mistakes[0])
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestLoad_Vendors(t *testing.T) {
	t.Parallel()
	c, err := config.Load[config.All](enough("OTP_PROVIDER=fazpass", "FAZPASS_MERCHANT_KEY=hunter2", "FAZPASS_GATEWAY_KEY=hunter2",
		"FAZPASS_URL=http://127.0.0.1:9", "GOOGLE_OAUTH_CLIENT_IDS=a,b", "APPLE_SERVICES_ID=c", "APPLE_TEAM_ID=T", "APPLE_KEY_ID=K", "APPLE_PRIVATE_KEY=hunter2"))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, c.GoogleClients)
	require.NotContains(t, fmt.Sprintf("%+v", c), "hunter2")
	_, err = config.Load[config.All](enough("OTP_PROVIDER=fazpass"))
	var mistakes config.Mistakes
	require.ErrorAs(t, err, &mistakes)
	require.Len(t, mistakes, 2)
}

func TestLoad_Xendit(t *testing.T) {
	t.Parallel()
	account := []string{"PAYMENT_PROVIDER=xendit", "XENDIT_SECRET_KEY=hunter2", "XENDIT_CALLBACK_TOKEN=hunter2"}
	c, err := config.Load[config.Serve](enough(append(account, "XENDIT_CHANNELS=QRIS,DANA")...))
	require.NoError(t, err)
	require.Equal(t, []string{"QRIS", "DANA"}, c.XenditChannels)
	require.Equal(t, "https://api.xendit.co", c.XenditBaseURL)
	_, err = config.Load[config.Serve](enough(account[0], "XENDIT_BASE_URL=api.xendit.co", "XENDIT_SUCCESS_URL=http://a.example", "XENDIT_CANCEL_URL=x"))
	var mistakes config.Mistakes
	require.ErrorAs(t, err, &mistakes)
	require.Len(t, mistakes, 5, "%s", err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestLoad_AllMistakesTogether(t *testing.T) {
	t.Parallel()
	_, err := config.Load[config.All]([]string{"PORT=x", "LOG_FORMAT=xml", "DRAIN_SECONDS=-1"})
	var mistakes config.Mistakes
	require.ErrorAs(t, err, &mistakes)
	require.Len(t, mistakes, 6, "three bad ones and three missing ones: %s", err)
}

func TestLoad_OnlyTheGroupsAsked(t *testing.T) {
	t.Parallel()
	_, err := config.Load[struct {
		config.Database
		config.Log
	}]([]string{"DATABASE_URL=postgres://db/x", "WS_IDLE_TIMEOUT_SECONDS=never"})
	require.NoError(t, err)
}

func TestSecret_IsNeverPrinted(t *testing.T) {
	t.Parallel()
	c, err := config.Load[config.All](enough("ADMIN_EMAIL=a@b", "ADMIN_PASSWORD=hunter2hunter2"))
	require.NoError(t, err)
	var out bytes.Buffer
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&out, format, c)
		fmt.Fprintf(&out, format, c.JWTSecret)
	}
	require.NoError(t, json.NewEncoder(&out).Encode(c))
	slog.New(slog.NewTextHandler(&out, nil)).Info("config", "config", c, "secret", c.JWTSecret)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("config", "config", c, "secret", c.JWTSecret)
	require.NotContains(t, out.String(), "hunter2")
	require.NotContains(t, out.String(), secret)
	require.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	require.Empty(t, config.Unknown(enough("HOME=/root", "PATH=/bin", "KUBERNETES_PORT=x", "VALKEY_SERVICE_HOST=10.0.0.1",
		"VALKEY_PORT=tcp://10.0.0.1:6379", "VALKEY_PORT_6379_TCP_ADDR=10.0.0.1", "WS_TYPO=")))
	require.Equal(t, config.Mistakes{
		"FAZPASS_CHANNEL is not a setting of this version",
		"WS_IDLE_TIMEOUT_SECOND is not a setting of this version (did you mean WS_IDLE_TIMEOUT_SECONDS?)",
	}, config.Unknown([]string{"WS_IDLE_TIMEOUT_SECOND=45", "FAZPASS_CHANNEL=x", "WS_MAX_AGE_SECONDS=0"}))
}

func TestSettings_EachHasANameAndASentence(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range config.Settings[config.All]() {
		require.NotEmpty(t, s.Name)
		require.NotEmpty(t, s.Doc, s.Name)
		require.False(t, seen[s.Name], "%s is there twice", s.Name)
		seen[s.Name] = true
	}
}
