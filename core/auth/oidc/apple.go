package oidc

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// AppleURL is Apple's issuer and the address of its routes.
	AppleURL = "https://appleid.apple.com"

	secretLife     = 5 * time.Minute
	maxAppleAnswer = 64 << 10
)

// AppleConfig is what Apple's developer pages give.
type AppleConfig struct {
	Clients    []string // APPLE_SERVICES_ID: services ids and bundle ids whose tokens are taken
	TeamID     string   // APPLE_TEAM_ID
	KeyID      string   // APPLE_KEY_ID
	PrivateKey string   // APPLE_PRIVATE_KEY: PEM, PKCS 8, P-256; "\n" may stand for ends of lines
	URL        string   // where Apple is; AppleURL. The issuer stays Apple.
}

// Apple is the verifier of Apple's ID tokens, and implements auth.AppleGrants.
type Apple struct {
	*Verifier
	cfg    AppleConfig
	key    *ecdsa.PrivateKey
	client *http.Client
	clock  core.Clock
}

// NewApple checks the key. Without one (no TeamID, KeyID and PrivateKey) tokens are verified, and nothing is exchanged: Exchange answers
// NOT_FOUND.
func NewApple(cfg AppleConfig, client *http.Client, clock core.Clock) (*Apple, error) {
	if cfg.URL == "" {
		cfg.URL = AppleURL
	}
	verifier := newVerifier([]string{AppleURL}, cfg.Clients, cfg.URL+"/auth/keys", client, clock)
	verifier.hashed = true
	a := &Apple{Verifier: verifier, cfg: cfg, client: client, clock: clock}
	switch {
	case cfg.TeamID == "" && cfg.KeyID == "" && cfg.PrivateKey == "":
		return a, nil
	case cfg.TeamID == "" || cfg.KeyID == "" || cfg.PrivateKey == "":
		return nil, errors.New("APPLE_TEAM_ID, APPLE_KEY_ID and APPLE_PRIVATE_KEY are needed together")
	}
	key, err := jwt.ParseECPrivateKeyFromPEM([]byte(strings.ReplaceAll(cfg.PrivateKey, `\n`, "\n")))
	if err != nil || key.Curve.Params().BitSize != 256 {
		return nil, errors.New("APPLE_PRIVATE_KEY is not a P-256 key in PEM") // the cause may show parts of it
	}
	a.key = key
	return a, nil
}

// Exchange gives the refresh token for an authorization code of the subject, which was given to that client of ours. A code is good once, so
// this is never tried again. UNAUTHENTICATED about authorization_code when Apple refuses it or it is somebody else's, NOT_FOUND without a
// key, UNAVAILABLE.
func (a *Apple) Exchange(ctx context.Context, client, code, subject string) (string, error) {
	var answer struct {
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
	}
	if a.key == nil {
		return "", core.Errorf(core.NotFound, "codes of Apple are not exchanged here")
	}
	err := a.post(ctx, "/auth/token", client, url.Values{"grant_type": {"authorization_code"}, "code": {code}}, &answer)
	var refused *appleRefusal
	if errors.As(err, &refused) && refused.Code == "invalid_grant" {
		return "", &core.Error{Code: core.Unauthenticated, Field: "authorization_code", Message: "Apple does not take the code", Err: err}
	}
	if err != nil {
		return "", core.Wrap(core.Unavailable, fmt.Errorf("exchange a code of Apple's: %w", err))
	}
	who, err := a.read(ctx, answer.IDToken)
	if core.CodeOf(err) == core.Unavailable {
		return "", err
	}
	if err != nil || who.Subject != subject || answer.RefreshToken == "" {
		return "", &core.Error{Code: core.Unauthenticated, Field: "authorization_code", Message: "the code is not this user's"}
	}
	return answer.RefreshToken, nil
}

// Revoke tells Apple that the refresh token's account is gone. One that Apple does not know any more is no error. UNAVAILABLE when it has
// to be tried again, also for a key that Apple does not take; NOT_FOUND without one.
func (a *Apple) Revoke(ctx context.Context, client, refreshToken string) error {
	if a.key == nil {
		return core.Errorf(core.NotFound, "there is no key to speak with Apple")
	}
	err := a.post(ctx, "/auth/revoke", client, url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}, nil)
	var refused *appleRefusal
	if errors.As(err, &refused) && (refused.Code == "invalid_grant" || refused.Code == "invalid_token") {
		return nil
	}
	if err != nil {
		return core.Wrap(core.Unavailable, fmt.Errorf("revoke a token of Apple's: %w", err))
	}
	return nil
}

// appleRefusal is an answer that says no (RFC 6749, section 5.2).
type appleRefusal struct {
	status int
	Code   string `json:"error"`
}

// Error is for the log.
func (r *appleRefusal) Error() string { return fmt.Sprintf("apple: answer %d, %q", r.status, r.Code) }

func (a *Apple) post(ctx context.Context, path, client string, form url.Values, into any) error {
	secret, err := a.secret(client)
	if err != nil {
		return err
	}
	form.Set("client_id", client)
	form.Set("client_secret", secret)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAppleAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		refused := &appleRefusal{}
		if json.Unmarshal(text, refused) != nil || len(refused.Code) > 64 {
			refused.Code = "?"
		}
		refused.status = response.StatusCode
		return refused
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// secret signs a client secret for the next few minutes.
func (a *Apple) secret(client string) (string, error) {
	now := a.clock()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Issuer: a.cfg.TeamID, Subject: client, Audience: jwt.ClaimStrings{AppleURL},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(secretLife)),
	})
	token.Header["kid"] = a.cfg.KeyID
	return token.SignedString(a.key)
}
