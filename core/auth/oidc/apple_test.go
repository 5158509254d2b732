package oidc_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth/oidc"
)

const subject = "000123.abc.0456"

func TestApple_Verify(t *testing.T) {
	t.Parallel()
	p := start(t)
	a := p.signInWithApple(t)
	claim, err := a.Verify(t.Context(), p.appleToken(t, nil), "")
	require.NoError(t, err)
	require.Equal(t, subject, claim.Subject)
	require.Equal(t, "id.halobestie.app", claim.Audience)
	require.Equal(t, "budi@example.com", claim.Email, "a boolean in quotes is one")
	claim, err = a.Verify(t.Context(), p.appleToken(t, jwt.MapClaims{"aud": "id.halobestie.web", "email_verified": "false"}), "")
	require.NoError(t, err)
	require.Equal(t, "id.halobestie.web", claim.Audience)
	require.Empty(t, claim.Email)
	_, err = a.Verify(t.Context(), p.token(t, "a", jwt.MapClaims{"aud": "id.halobestie.app"}), "")
	requireRefused(t, "id_token", err) // Google's
}

// asApple answers like Apple, and holds what it is sent against what is documented.
func (p *provider) asApple(t *testing.T, answer map[string]string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		key, _ := appleKey()
		form := func(name string) string { return r.PostFormValue(name) }
		secret, err := jwt.Parse(form("client_secret"), func(token *jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("TEAM123456"), jwt.WithAudience("https://appleid.apple.com"),
			jwt.WithSubject(form("client_id")), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(p.clock))
		if err != nil || secret.Header["kid"] != "KEY1234567" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("client secret: %v", err)
			refuse(400, "invalid_client")(w, r)
			return
		}
		expires, err := secret.Claims.GetExpirationTime()
		require.NoError(t, err)
		require.LessOrEqual(t, expires.Sub(p.clock()), 5*time.Minute)
		switch {
		case r.URL.Path == "/auth/token" && form("grant_type") == "authorization_code" && form("code") == "good":
			_ = json.NewEncoder(w).Encode(answer)
		case r.URL.Path == "/auth/revoke" && form("token_type_hint") == "refresh_token" && form("token") == "r1":
		default:
			refuse(400, "invalid_grant")(w, r)
		}
	}
}

func TestApple_Exchange(t *testing.T) {
	t.Parallel()
	p := start(t)
	a := p.signInWithApple(t)
	carried := p.appleToken(t, jwt.MapClaims{"nonce": "as it was"})
	p.set(func() { p.apple = p.asApple(t, map[string]string{"refresh_token": "r1", "id_token": carried}) })
	token, err := a.Exchange(t.Context(), "id.halobestie.app", "good", subject)
	require.NoError(t, err)
	require.Equal(t, "r1", token)
	_, err = a.Exchange(t.Context(), "id.halobestie.app", "used", subject)
	requireRefused(t, "authorization_code", err)
	_, err = a.Exchange(t.Context(), "id.halobestie.app", "good", "somebody else")
	requireRefused(t, "authorization_code", err)
	p.set(func() { p.apple = p.asApple(t, map[string]string{"refresh_token": "r1", "id_token": "forged"}) })
	_, err = a.Exchange(t.Context(), "id.halobestie.app", "good", subject)
	requireRefused(t, "authorization_code", err)
}

func TestApple_Revoke(t *testing.T) {
	t.Parallel()
	p := start(t)
	a := p.signInWithApple(t)
	p.set(func() { p.apple = p.asApple(t, nil) })
	require.NoError(t, a.Revoke(t.Context(), "id.halobestie.app", "r1"))
	require.NoError(t, a.Revoke(t.Context(), "id.halobestie.app", "unknown"), "what Apple does not know needs no revoking")
	p.set(func() { p.apple = refuse(400, "invalid_client") })
	require.Equal(t, core.Unavailable, core.CodeOf(a.Revoke(t.Context(), "id.halobestie.app", "r1")))
}

func TestApple_Failing(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	p := start(t)
	t.Cleanup(func() { close(over) }) // before the server closes
	p.client.Timeout = 100 * time.Millisecond
	a := p.signInWithApple(t)
	for name, apple := range map[string]http.HandlerFunc{
		"an error":     refuse(500, "server_error"),
		"a page":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"invalid JSON": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400); _, _ = w.Write([]byte("x")) },
		"hung up":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"slow":         func(http.ResponseWriter, *http.Request) { <-over },
		"not our key":  refuse(400, "invalid_client"),
	} {
		p.set(func() { p.apple = apple })
		_, err := a.Exchange(t.Context(), "id.halobestie.app", "good", subject)
		require.Equal(t, core.Unavailable, core.CodeOf(err), name)
		require.NotContains(t, err.Error(), "good")
		if name != "a page" {
			require.Equal(t, core.Unavailable, core.CodeOf(a.Revoke(t.Context(), "id.halobestie.app", "r1")), name)
		}
	}
}

func TestNewApple_Key(t *testing.T) {
	t.Parallel()
	p := start(t)
	for name, change := range map[string]func(*oidc.AppleConfig){
		"no team":   func(c *oidc.AppleConfig) { c.TeamID = "" },
		"no key id": func(c *oidc.AppleConfig) { c.KeyID = "" },
		"no key":    func(c *oidc.AppleConfig) { c.PrivateKey = "" },
		"nonsense":  func(c *oidc.AppleConfig) { c.PrivateKey = "hunter2" },
	} {
		cfg := p.appleConfig()
		change(&cfg)
		_, err := oidc.NewApple(cfg, p.client, p.clock)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "hunter2")
	}
	a, err := oidc.NewApple(oidc.AppleConfig{Clients: []string{"id.halobestie.app"}, URL: p.URL}, p.client, p.clock)
	require.NoError(t, err)
	_, err = a.Verify(t.Context(), p.appleToken(t, nil), "")
	require.NoError(t, err, "tokens are verified without a key")
	_, err = a.Exchange(t.Context(), "id.halobestie.app", "good", subject)
	require.Equal(t, core.NotFound, core.CodeOf(err))
	require.Equal(t, core.NotFound, core.CodeOf(a.Revoke(t.Context(), "id.halobestie.app", "r1")))
}
