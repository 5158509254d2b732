package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens, err := b.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)
	for range 2 { // the second time from memory
		who, err := b.Verify(tokens.Access)
		require.NoError(t, err)
		require.Equal(t, core.Customer, who.Type)
		require.Equal(t, tokens.Account.ID, who.ID)
		require.False(t, who.Session.IsZero())
		require.True(t, who.ExpiresAt.Equal(b.clock.Now().Add(time.Hour)))
		require.True(t, who.ExpiresAt.Equal(tokens.AccessExpiresAt))
	}
	require.EqualValues(t, 1, b.Stats().VerifiedNew)
	require.EqualValues(t, 1, b.Stats().VerifiedKnown)
}

func TestVerify_ErrExpired(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		b := setup(t)
		tokens, err := b.SignInAnonymous(t.Context(), auth.Device{})
		require.NoError(t, err)
		if known {
			_, err = b.Verify(tokens.Access)
			require.NoError(t, err)
		}
		b.clock.Advance(time.Hour)
		_, err = b.Verify(tokens.Access)
		requireCode(t, core.TokenExpired, err)
	}
}

func TestVerify_NeverOutlivesTheAuthSession(t *testing.T) {
	t.Parallel()
	b := setup(t)
	short := b.with(t, auth.Config{Secret: secretA, AccessTTL: time.Hour, RefreshTTL: time.Minute})
	tokens, err := short.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)
	require.True(t, tokens.AccessExpiresAt.Equal(b.clock.Now().Add(time.Minute)))
}

// forgery takes an honest token apart, so that a test changes one thing about it.
type forgery struct {
	header, claims map[string]any
}

func (b *bench) forge(t *testing.T) forgery {
	t.Helper()
	tokens, err := b.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)
	parts := strings.Split(tokens.Access, ".")
	var f forgery
	for i, into := range []*map[string]any{&f.header, &f.claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, into))
	}
	return f
}

func (f forgery) sign(t *testing.T, method jwt.SigningMethod, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(f.claims))
	for name, value := range f.header {
		if name != "alg" {
			token.Header[name] = value
		}
	}
	signed, err := token.SignedString(key)
	require.NoError(t, err)
	return signed
}

func TestVerify_AForgeryThatChangesNothingPasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.Verify(b.forge(t).sign(t, jwt.SigningMethodHS256, secretA))
	require.NoError(t, err, "else the refusals below prove nothing")
}

func TestVerify_ErrUnauthenticated(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, forge := range map[string]func(t *testing.T, b *bench, f forgery) string{
		"alg none": func(t *testing.T, _ *bench, f forgery) string {
			return f.sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType)
		},
		"alg none in capitals": func(t *testing.T, _ *bench, f forgery) string {
			parts := strings.Split(f.sign(t, jwt.SigningMethodHS256, secretA), ".")
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"NONE","typ":"JWT"}`)) + "." + parts[1] + "."
		},
		"RS256":                         func(t *testing.T, _ *bench, f forgery) string { return f.sign(t, jwt.SigningMethodRS256, rsaKey) },
		"HS384":                         func(t *testing.T, _ *bench, f forgery) string { return f.sign(t, jwt.SigningMethodHS384, secretA) },
		"HS512":                         func(t *testing.T, _ *bench, f forgery) string { return f.sign(t, jwt.SigningMethodHS512, secretA) },
		"another secret":                func(t *testing.T, _ *bench, f forgery) string { return f.sign(t, jwt.SigningMethodHS256, secretB) },
		"empty secret":                  func(t *testing.T, _ *bench, f forgery) string { return f.sign(t, jwt.SigningMethodHS256, []byte{}) },
		"wrong kid":                     changed(func(f forgery) { f.header["kid"] = "00000000" }),
		"no kid":                        changed(func(f forgery) { delete(f.header, "kid") }),
		"kid a number":                  changed(func(f forgery) { f.header["kid"] = 1 }),
		"kid a path":                    changed(func(f forgery) { f.header["kid"] = "../../dev/null" }),
		"no exp":                        changed(func(f forgery) { delete(f.claims, "exp") }),
		"wrong issuer":                  changed(func(f forgery) { f.claims["iss"] = "somebody" }),
		"no issuer":                     changed(func(f forgery) { delete(f.claims, "iss") }),
		"wrong user_type":               changed(func(f forgery) { f.claims["user_type"] = "root" }),
		"no user_type":                  changed(func(f forgery) { delete(f.claims, "user_type") }),
		"user_type twice over":          changed(func(f forgery) { f.claims["user_type"] = []string{"customer", "mitra"} }),
		"sub no id":                     changed(func(f forgery) { f.claims["sub"] = "1 or 1=1" }),
		"sub the zero id":               changed(func(f forgery) { f.claims["sub"] = "00000000-0000-0000-0000-000000000000" }),
		"no sub":                        changed(func(f forgery) { delete(f.claims, "sub") }),
		"no session":                    changed(func(f forgery) { delete(f.claims, "session_id") }),
		"expired and of a wrong issuer": changed(func(f forgery) { f.claims["iss"] = "x"; f.claims["exp"] = 1 }),
		"nbf in the future": func(t *testing.T, b *bench, f forgery) string {
			f.claims["nbf"] = b.clock.Now().Add(time.Minute).Unix()
			return f.sign(t, jwt.SigningMethodHS256, secretA)
		},
		"100 KB": func(t *testing.T, _ *bench, f forgery) string {
			f.claims["padding"] = strings.Repeat("x", 100<<10)
			return f.sign(t, jwt.SigningMethodHS256, secretA)
		},
		"just over the limit": func(t *testing.T, _ *bench, f forgery) string {
			f.claims["padding"] = strings.Repeat("x", 3<<10)
			return f.sign(t, jwt.SigningMethodHS256, secretA)
		},
		"a bit of the signature": func(t *testing.T, _ *bench, f forgery) string {
			token := []byte(f.sign(t, jwt.SigningMethodHS256, secretA))
			token[len(token)-20] ^= 1
			return string(token)
		},
		"empty":       func(*testing.T, *bench, forgery) string { return "" },
		"not a token": func(*testing.T, *bench, forgery) string { return "hello" },
		"dots":        func(*testing.T, *bench, forgery) string { return strings.Repeat(".", 4000) },
		"garbage":     func(*testing.T, *bench, forgery) string { return "\x00\xff.\x80.\n" },
		"a refresh token": func(t *testing.T, b *bench, _ forgery) string {
			tokens, err := b.SignInAnonymous(t.Context(), auth.Device{})
			require.NoError(t, err)
			return tokens.Refresh
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			token := forge(t, b, b.forge(t))
			for range 2 { // a refusal is never remembered as anything else
				_, err := b.Verify(token)
				requireCode(t, core.Unauthenticated, err)
			}
			require.EqualValues(t, 2, b.Stats().Refused)
		})
	}
}

// changed is an honest token but for one thing, signed with the right key.
func changed(change func(f forgery)) func(*testing.T, *bench, forgery) string {
	return func(t *testing.T, _ *bench, f forgery) string {
		change(f)
		return f.sign(t, jwt.SigningMethodHS256, secretA)
	}
}

func TestVerify_SecretRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, err := b.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)

	during := b.with(t, auth.Config{Secret: secretB, PreviousSecret: secretA})
	who, err := during.Verify(old.Access)
	require.NoError(t, err)
	require.Equal(t, old.Account.ID, who.ID)
	fresh, err := during.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)

	after := b.with(t, auth.Config{Secret: secretB})
	_, err = after.Verify(old.Access)
	requireCode(t, core.Unauthenticated, err)
	_, err = after.Verify(fresh.Access)
	require.NoError(t, err)
}

func TestVerify_ManyTokensInLittleMemory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	small := b.with(t, auth.Config{Secret: secretA, KnownTokens: 8})
	tokens, err := small.IssueFor(t.Context(), core.Mitra, 300)
	require.NoError(t, err)
	ids := map[core.UserID]bool{}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for _, token := range tokens {
				_, err := small.Verify(token)
				require.NoError(t, err)
			}
		})
	}
	both.Wait()
	for _, token := range tokens {
		who, err := small.Verify(token)
		require.NoError(t, err)
		require.Equal(t, core.Mitra, who.Type)
		ids[who.ID] = true
	}
	require.Len(t, ids, 300, "each of another user")
}

func TestVerify_AKnownTokenCostsNoAllocation(t *testing.T) {
	b := setup(t) // not parallel: AllocsPerRun counts the process
	tokens, err := b.SignInAnonymous(t.Context(), auth.Device{})
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := b.Verify(tokens.Access); err != nil {
			t.Error(err)
		}
	}))
}

func TestNew_ErrConfig(t *testing.T) {
	t.Parallel()
	for _, cfg := range []auth.Config{
		{},
		{Secret: []byte("too short for a secret")},
		{Secret: secretA, PreviousSecret: []byte("hunter2")},
		{Secret: secretA, AccessTTL: -1},
		{Secret: secretA, RefreshTTL: -1},
	} {
		_, err := auth.New(cfg, auth.Deps{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func BenchmarkVerify(b *testing.B) {
	s := setup(b)
	tokens, err := s.IssueFor(b.Context(), core.Mitra, 20_000)
	require.NoError(b, err)
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Verify(tokens[0])
		}
	})
	b.Run("new", func(b *testing.B) {
		fresh := s.with(b, auth.Config{Secret: secretA, KnownTokens: 1})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := fresh.Verify(tokens[i%len(tokens)]); err != nil {
				b.Fatal(fmt.Errorf("token %d: %w", i, err))
			}
		}
	})
}
