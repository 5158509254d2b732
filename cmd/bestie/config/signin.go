package config

import (
	"fmt"
	"net/url"
	"strings"
)

// Tokens are how users stay signed in.
type Tokens struct {
	JWTSecret         Secret `env:"AUTH_JWT_SECRET" required:"true" doc:"signs access tokens; at least 32 bytes"`
	JWTSecretPrevious Secret `env:"AUTH_JWT_SECRET_PREVIOUS" doc:"still verifies, during a rotation"`
	AccessTTL         int    `env:"ACCESS_TOKEN_TTL_SECONDS" envDefault:"3600" min:"2" max:"86400" doc:"life of an access token"`
	RefreshTTL        int    `env:"REFRESH_TOKEN_TTL_DAYS" envDefault:"30" min:"1" max:"365" doc:"how long a sign-in of an app lasts"`
	RefreshIdle       int    `env:"REFRESH_TOKEN_IDLE_DAYS" envDefault:"14" min:"1" max:"365" doc:"unused for that long, it ends before"`
	OperatorTTL       int    `env:"CC_SESSION_HOURS" envDefault:"12" min:"1" max:"720" doc:"how long an operator's sign-in lasts"`
	OperatorIdle      int    `env:"CC_IDLE_MINUTES" envDefault:"120" min:"5" max:"43200" doc:"unused for that long, it ends before"`
}

// Codes are how phone codes reach phones.
type Codes struct {
	OTPProvider        string `env:"OTP_PROVIDER" envDefault:"log" choices:"log,fazpass" doc:"who sends phone codes; log writes them to the log, for development"`
	FazpassMerchantKey Secret `env:"FAZPASS_MERCHANT_KEY" doc:"the key of the account, for OTP_PROVIDER fazpass"`
	FazpassGatewayKey  Secret `env:"FAZPASS_GATEWAY_KEY" doc:"the gateway there, which decides between SMS and WhatsApp"`
	FazpassURL         string `env:"FAZPASS_URL" envDefault:"https://api.fazpass.com" doc:"where Fazpass is"`
	FazpassTimeout     int    `env:"FAZPASS_TIMEOUT_SECONDS" envDefault:"12" min:"1" max:"15" doc:"for one code; it is not sent a second time after that"`
}

// Identities are the providers that customers may sign in with, besides their phones.
type Identities struct {
	GoogleClients   []string `env:"GOOGLE_OAUTH_CLIENT_IDS" doc:"client ids whose ID tokens are taken, by commas; none: no signing in with Google"`
	GoogleKeysURL   string   `env:"GOOGLE_OAUTH_KEYS_URL" envDefault:"https://www.googleapis.com/oauth2/v3/certs" doc:"where Google's keys are"`
	AppleClients    []string `env:"APPLE_SERVICES_ID" doc:"services and bundle ids whose ID tokens are taken, by commas; none: no signing in with Apple"`
	AppleTeamID     string   `env:"APPLE_TEAM_ID" doc:"for revoking Apple's tokens of deleted accounts, like the next two"`
	AppleKeyID      string   `env:"APPLE_KEY_ID" doc:"names the key"`
	ApplePrivateKey Secret   `env:"APPLE_PRIVATE_KEY" doc:"the key in PEM; \\n may stand for the ends of its lines"`
	AppleURL        string   `env:"APPLE_URL" envDefault:"https://appleid.apple.com" doc:"where Apple is"`
}

// minSecret is the least length of a token secret: HMAC-SHA256 is no stronger than its key.
const minSecret = 32

func (t *Tokens) check(report func(name, what string)) {
	for name, secret := range map[string]Secret{"AUTH_JWT_SECRET": t.JWTSecret, "AUTH_JWT_SECRET_PREVIOUS": t.JWTSecretPrevious} {
		if secret != "" && len(secret) < minSecret {
			report(name, fmt.Sprintf("must be at least %d bytes, for example from: openssl rand -hex 32", minSecret))
		}
	}
}

func (c *Codes) check(report func(name, what string)) {
	checkVendor("FAZPASS_URL", c.FazpassURL, report)
	if c.OTPProvider != "fazpass" {
		return
	}
	for name, secret := range map[string]Secret{"FAZPASS_MERCHANT_KEY": c.FazpassMerchantKey, "FAZPASS_GATEWAY_KEY": c.FazpassGatewayKey} {
		if secret == "" {
			report(name, "is missing: OTP_PROVIDER is fazpass")
		}
	}
}

func (i *Identities) check(report func(name, what string)) {
	checkVendor("GOOGLE_OAUTH_KEYS_URL", i.GoogleKeysURL, report)
	checkVendor("APPLE_URL", i.AppleURL, report)
	together := 0
	for _, part := range []string{i.AppleTeamID, i.AppleKeyID, string(i.ApplePrivateKey)} {
		if part != "" {
			together++
		}
	}
	if together != 0 && together != 3 {
		report("APPLE_PRIVATE_KEY", "needs APPLE_TEAM_ID and APPLE_KEY_ID beside it, and they need it")
	}
	if together == 3 && len(i.AppleClients) == 0 {
		report("APPLE_SERVICES_ID", "is missing, and APPLE_PRIVATE_KEY is set")
	}
}

// checkVendor wants TLS, but for a vendor that is imitated on this machine: our keys travel there, or theirs come from it.
func checkVendor(name, address string, report func(name, what string)) {
	u, err := url.Parse(address)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if err != nil || u.Host == "" || (u.Scheme != "https" && !(u.Scheme == "http" && local)) || u.RawQuery != "" || strings.HasSuffix(address, "/") {
		report(name, "must look like https://vendor.example, without a slash behind it")
	}
}
