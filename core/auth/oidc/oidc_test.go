package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func requireRefused(t *testing.T, field string, err error) {
	t.Helper()
	var coded *core.Error
	require.ErrorAs(t, err, &coded)
	require.Equal(t, core.Unauthenticated, coded.Code, "%v", err)
	require.Equal(t, field, coded.Field)
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	p := start(t)
	v := p.google("other", "app")
	for _, change := range []jwt.MapClaims{
		nil,
		{"iss": "accounts.google.com"},
		{"aud": "other"},
		{"aud": []string{"app"}},
		{"aud": []string{"elsewhere", "app"}, "azp": "app"},
		{"exp": p.clock().Add(-59 * time.Second).Unix()},
		{"iat": p.clock().Add(59 * time.Second).Unix()},
	} {
		claim, err := v.Verify(t.Context(), p.token(t, "a", change), "")
		require.NoError(t, err, "%v", change)
		require.Equal(t, "108", claim.Subject)
		require.Equal(t, "budi@example.com", claim.Email)
	}
	claim, err := v.Verify(t.Context(), p.token(t, "a", jwt.MapClaims{"email_verified": false}), "")
	require.NoError(t, err)
	require.Empty(t, claim.Email, "what Google did not verify is nobody's")
	require.EqualValues(t, 1, p.looks.Load())
}

func TestGoogle_ErrToken(t *testing.T) {
	t.Parallel()
	p := start(t)
	v := p.google("app")
	now := p.clock()
	good := p.token(t, "a", nil)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"a"}`))
	hs, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "accounts.google.com", "aud": "app", "sub": "1", "exp": now.Add(time.Hour).Unix()}).
		SignedString(rsaKeys()[0].N.Bytes()) // HS256 with what everybody knows of the key
	require.NoError(t, err)
	ps := jwt.NewWithClaims(jwt.SigningMethodPS256, jwt.MapClaims{"iss": "accounts.google.com", "aud": "app", "sub": "1", "exp": now.Add(time.Hour).Unix()})
	ps.Header["kid"] = "a"
	otherAlgorithm, err := ps.SignedString(rsaKeys()[0])
	require.NoError(t, err)
	for name, token := range map[string]string{
		"empty":                 "",
		"nonsense":              "nonsense",
		"alg none":              none + "." + parts[1] + ".",
		"alg none, signed":      none + "." + parts[1] + "." + parts[2],
		"HS256 by the key":      hs,
		"PS256":                 otherAlgorithm,
		"another signature":     parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"other claims":          parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"1"}`)) + "." + parts[2],
		"100 KB":                good + strings.Repeat("A", 100<<10),
		"no kid":                p.token(t, "", nil),
		"an unknown kid":        p.token(t, "z", nil),
		"expired":               p.token(t, "a", jwt.MapClaims{"exp": now.Add(-61 * time.Second).Unix()}),
		"no expiry":             p.token(t, "a", jwt.MapClaims{"exp": nil}),
		"not yet":               p.token(t, "a", jwt.MapClaims{"nbf": now.Add(61 * time.Second).Unix()}),
		"from the future":       p.token(t, "a", jwt.MapClaims{"iat": now.Add(61 * time.Second).Unix()}),
		"another issuer":        p.token(t, "a", jwt.MapClaims{"iss": "https://accounts.google.com.evil.example"}),
		"Apple's":               p.token(t, "a", jwt.MapClaims{"iss": "https://appleid.apple.com"}),
		"no issuer":             p.token(t, "a", jwt.MapClaims{"iss": nil}),
		"another app":           p.token(t, "a", jwt.MapClaims{"aud": "another"}),
		"no audience":           p.token(t, "a", jwt.MapClaims{"aud": nil}),
		"two, asked by another": p.token(t, "a", jwt.MapClaims{"aud": []string{"another", "app"}, "azp": "another"}),
		"two, asked by nobody":  p.token(t, "a", jwt.MapClaims{"aud": []string{"another", "app"}}),
		"no subject":            p.token(t, "a", jwt.MapClaims{"sub": ""}),
		"a long subject":        p.token(t, "a", jwt.MapClaims{"sub": strings.Repeat("1", 256)}),
		"a number for subject":  p.token(t, "a", jwt.MapClaims{"sub": 108}),
	} {
		_, err := v.Verify(t.Context(), token, "")
		require.Error(t, err, name)
		requireRefused(t, "id_token", err)
	}
	require.LessOrEqual(t, p.looks.Load(), int64(2), "unknown keys do not make it look again and again")
}

func TestNonce(t *testing.T) {
	t.Parallel()
	p := start(t)
	google, apple := p.google("app"), p.signInWithApple(t)
	sum := sha256.Sum256([]byte("raw"))
	hashed := hex.EncodeToString(sum[:])

	_, err := google.Verify(t.Context(), p.token(t, "a", jwt.MapClaims{"nonce": "raw"}), "raw")
	require.NoError(t, err)
	_, err = apple.Verify(t.Context(), p.appleToken(t, jwt.MapClaims{"nonce": hashed}), "raw")
	require.NoError(t, err)
	_, err = apple.Verify(t.Context(), p.appleToken(t, jwt.MapClaims{"nonce": strings.ToUpper(hashed)}), "raw")
	require.NoError(t, err)
	for name, try := range map[string]func() error{
		"none sent": func() error {
			_, err := google.Verify(t.Context(), p.token(t, "a", jwt.MapClaims{"nonce": "raw"}), "")
			return err
		},
		"another sent": func() error {
			_, err := google.Verify(t.Context(), p.token(t, "a", jwt.MapClaims{"nonce": "raw"}), "x")
			return err
		},
		"none carried": func() error { _, err := google.Verify(t.Context(), p.token(t, "a", nil), "raw"); return err },
		"Apple, none sent": func() error {
			_, err := apple.Verify(t.Context(), p.appleToken(t, jwt.MapClaims{"nonce": hashed}), "")
			return err
		},
		"Apple, the hash sent": func() error {
			_, err := apple.Verify(t.Context(), p.appleToken(t, jwt.MapClaims{"nonce": hashed}), hashed)
			return err
		},
		"Apple, raw carried": func() error {
			_, err := apple.Verify(t.Context(), p.appleToken(t, jwt.MapClaims{"nonce": "raw"}), "raw")
			return err
		},
	} {
		err := try()
		require.Error(t, err, name)
		requireRefused(t, "nonce", err)
	}
}
