package rest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth/oidc"
)

// signingKeys are made once: they take a while.
var signingKeys = sync.OnceValues(func() (*rsa.PrivateKey, string) {
	theirs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ours, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ours)
	if err != nil {
		panic(err)
	}
	return theirs, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// vendor is a local server that speaks for Google and Apple. Every code "good" is one user's.
type vendor struct {
	t       *testing.T
	server  *httptest.Server
	client  *http.Client
	revoked chan string

	mu   sync.Mutex
	down bool
}

func newVendor(t *testing.T) *vendor {
	v := &vendor{t: t, client: oidc.NewClient(), revoked: make(chan string, 10)}
	key, _ := signingKeys()
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}})
	require.NoError(t, err)
	v.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		down := v.down
		v.mu.Unlock()
		switch {
		case down:
			w.WriteHeader(http.StatusInternalServerError)
		case r.Method == http.MethodGet:
			_, _ = w.Write(set)
		case r.URL.Path == "/auth/revoke":
			v.revoked <- r.PostFormValue("token")
		case r.PostFormValue("code") == "good":
			_ = json.NewEncoder(w).Encode(map[string]string{"refresh_token": "apple's refresh token", "id_token": v.apple("budi", "")})
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		}
	}))
	t.Cleanup(v.server.Close)
	t.Cleanup(v.client.CloseIdleConnections)
	return v
}

func (v *vendor) verifiers() (*oidc.Verifier, *oidc.Apple) {
	_, text := signingKeys()
	apple, err := oidc.NewApple(oidc.AppleConfig{
		Clients: []string{"id.halobestie.app"}, TeamID: "TEAM123456", KeyID: "KEY1234567", PrivateKey: text, URL: v.server.URL,
	}, v.client, core.SystemClock)
	require.NoError(v.t, err)
	return oidc.NewGoogle([]string{"app"}, v.server.URL+"/certs", v.client, core.SystemClock), apple
}

func (v *vendor) token(issuer, audience, subject, nonce string) string {
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": subject, "email": subject + "@example.com", "email_verified": true,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = "k"
	key, _ := signingKeys()
	text, err := token.SignedString(key)
	require.NoError(v.t, err)
	return text
}

func (v *vendor) google(subject string) string {
	return v.token("https://accounts.google.com", "app", subject, "")
}

// apple binds its token to a nonce as Apple does.
func (v *vendor) apple(subject, nonce string) string {
	if nonce != "" {
		sum := sha256.Sum256([]byte(nonce))
		nonce = hex.EncodeToString(sum[:])
	}
	return v.token("https://appleid.apple.com", "id.halobestie.app", subject, nonce)
}
