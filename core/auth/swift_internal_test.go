package auth

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// at is when the tokens of these tests are looked at.
var at = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

func swiftSigner(t testing.TB, issuer string) *signer {
	t.Helper()
	var ring []keys
	for _, secret := range []string{"a secret of at least 32 bytes, the present one", "another one, of before the rotation of yesterday"} {
		k, err := deriveKeys([]byte(secret))
		require.NoError(t, err)
		ring = append(ring, k)
	}
	return newSigner(ring, issuer, time.Hour, func() time.Time { return at })
}

// TestSwift_TakesWhatSignWrites would fail, were sign to write another form one day: tokens would still be verified, slowly.
func TestSwift_TakesWhatSignWrites(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"bestie", `<"böse"> & co`} {
		s := swiftSigner(t, issuer)
		for _, kind := range kinds {
			who := core.Principal{Type: kind.user, Role: kind.role, ID: core.NewID[core.UserID](), Session: core.NewID[core.AuthSessionID]()}
			token, expires, err := s.sign(who)
			require.NoError(t, err)
			got, err, ok := s.swift[0].verify(token, at)
			require.True(t, ok)
			require.NoError(t, err)
			parsed, err := s.parse(token)
			require.NoError(t, err)
			require.Equal(t, parsed, got)
			require.True(t, got.ExpiresAt.Equal(expires))

			_, err, ok = s.swift[0].verify(token, expires)
			require.True(t, ok)
			require.Equal(t, core.TokenExpired, core.CodeOf(err))
			_, _, ok = s.swift[1].verify(token, at)
			require.False(t, ok, "another key's")
			before := &signer{keys: s.keys[1:], issuer: issuer, ttl: s.ttl, clock: s.clock}
			token, _, err = before.sign(who)
			require.NoError(t, err)
			got, err = s.verify(token)
			require.NoError(t, err, "the previous key's")
			require.Equal(t, who.ID, got.ID)
		}
	}
}

// A socket's token lies in a buffer that is used again at once.
func TestVerify_KeepsNothingOfTheToken(t *testing.T) {
	t.Parallel()
	s := swiftSigner(t, "bestie")
	token, _, err := s.sign(core.Principal{Type: core.Operator, Role: core.Admin, ID: core.NewID[core.UserID](), Session: core.NewID[core.AuthSessionID]()})
	require.NoError(t, err)
	for _, verify := range []func(string) (core.Principal, error){s.verify, s.parse} {
		expected, err := verify(token)
		require.NoError(t, err)
		buffer := []byte(token)
		who, err := verify(unsafe.String(unsafe.SliceData(buffer), len(buffer)))
		require.NoError(t, err)
		clear(buffer)
		require.Equal(t, expected, who)
	}
}

// FuzzVerify signs whatever payload, under whatever header, with the right key: the short way must say what the library says. What
// is not signed well never reaches the claims; a third of the inputs is that.
func FuzzVerify(f *testing.F) {
	s := swiftSigner(f, "bestie")
	token, _, err := s.sign(core.Principal{Type: core.Mitra, ID: core.NewID[core.UserID](), Session: core.NewID[core.AuthSessionID]()})
	require.NoError(f, err)
	parser := jwt.NewParser()
	_, parts, err := parser.ParseUnverified(token, &claims{})
	require.NoError(f, err)
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(f, err)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(f, err)
	f.Add(header, payload, "", byte(0))
	f.Add(header, []byte(nil), parts[1], byte(0))
	f.Add(header, payload, "", byte(1))
	f.Add([]byte(`{"alg":"HS256"}`), payload, "", byte(0))
	for _, change := range [][2]string{
		{`"user_type":"mitra"`, `"user_type":"operator","role":"admin"`},
		{`"user_type":"mitra"`, `"user_type":"operator"`},
		{`"user_type":"mitra"`, `"user_type":"mitra","role":"admin"`},
		{`"user_type":"mitra"`, `"user_type":"mitra","user_type":"customer"`},
		{`"iss":"bestie"`, `"iss":"Bestie"`},
		{`"iss":"bestie"`, `"iss":"b\u0065stie"`},
		{`"exp":17`, `"exp":16`},
		{`"exp":`, `"exp":0`},
		{`"exp":`, `"exp":-`},
		{`"exp":`, `"nbf":9999999999,"exp":`},
		{`,"iat":`, `.5,"iat":`},
		{`,"iat":`, `e1,"iat":`},
		{`,"iat":`, `,"iat":"`},
		{`,"iat":`, `,"IAT":`},
		{`}`, `} `},
		{`}`, `,"aud":["x"]}`},
		{`"sub":"`, `"sub":"0`},
		{`-7`, `-A`},
	} {
		f.Add(header, replaced(payload, change[0], change[1]), "", byte(0))
	}
	f.Fuzz(func(t *testing.T, header, payload []byte, raw string, spoil byte) {
		if raw == "" {
			raw = base64.RawURLEncoding.EncodeToString(payload)
		}
		text := base64.RawURLEncoding.EncodeToString(header) + "." + raw
		signature, err := jwt.SigningMethodHS256.Sign(text, s.keys[0].access)
		require.NoError(t, err)
		if spoil%3 == 1 {
			signature[spoil%32] ^= spoil
		}
		token := text + "." + base64.RawURLEncoding.EncodeToString(signature)
		who, err := s.verify(token)
		expected, libraryErr := s.parse(token)
		require.Equal(t, core.CodeOf(libraryErr), core.CodeOf(err), "%s: %v, %v", token, libraryErr, err)
		require.Equal(t, expected, who)
	})
}

func replaced(b []byte, from, to string) []byte {
	return []byte(strings.Replace(string(b), from, to, 1))
}
