package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core/auth/oidc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rsaKeys are made once: they take a while.
var rsaKeys = sync.OnceValue(func() (keys []*rsa.PrivateKey) {
	for range 3 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	return keys
})

// provider is a local server that speaks the documented form of Google's key set and of Apple's routes.
type provider struct {
	*httptest.Server
	looks atomic.Int64 // at the key set

	mu      sync.Mutex
	keys    map[string]*rsa.PrivateKey
	control string                                       // Cache-Control
	instead http.HandlerFunc                             // in place of the key set
	apple   func(w http.ResponseWriter, r *http.Request) // POST /auth/token and /auth/revoke
	now     time.Time                                    // of the verifiers
	client  *http.Client
}

func start(t *testing.T) *provider {
	t.Helper()
	p := &provider{keys: map[string]*rsa.PrivateKey{"a": rsaKeys()[0]}, control: "public, max-age=3600", now: time.Now(), client: oidc.NewClient()}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /certs", p.serveKeys)
	routes.HandleFunc("GET /auth/keys", p.serveKeys)
	routes.HandleFunc("POST /auth/", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		apple := p.apple
		p.mu.Unlock()
		apple(w, r)
	})
	p.Server = httptest.NewServer(routes)
	t.Cleanup(p.Close)
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

func (p *provider) serveKeys(w http.ResponseWriter, r *http.Request) {
	p.looks.Add(1)
	p.mu.Lock()
	instead, control := p.instead, p.control
	var set []map[string]string
	for kid, key := range p.keys {
		set = append(set, jwk(kid, key))
	}
	p.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	w.Header().Set("Cache-Control", control)
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": set})
}

func jwk(kid string, key *rsa.PrivateKey) map[string]string {
	return map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
}

// set changes the provider.
func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *provider) wait(d time.Duration) { p.set(func() { p.now = p.now.Add(d) }) }

func (p *provider) google(clients ...string) *oidc.Verifier {
	return oidc.NewGoogle(clients, p.URL+"/certs", p.client, p.clock)
}

// token signs claims as the provider would; those given change the usual ones, nil takes one away.
func (p *provider) token(t *testing.T, kid string, change jwt.MapClaims) string {
	t.Helper()
	now := p.clock()
	claims := jwt.MapClaims{
		"iss": "https://accounts.google.com", "aud": "app", "sub": "108", "email": "budi@example.com", "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	p.mu.Lock()
	key := p.keys[kid]
	p.mu.Unlock()
	if key == nil {
		key = rsaKeys()[2] // one that the provider never had
	}
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

// appleKey is the key of our side, as Apple's developer pages give it.
var appleKey = sync.OnceValues(func() (*ecdsa.PrivateKey, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

func (p *provider) appleConfig() oidc.AppleConfig {
	_, text := appleKey()
	return oidc.AppleConfig{Clients: []string{"id.halobestie.app", "id.halobestie.web"}, TeamID: "TEAM123456", KeyID: "KEY1234567", PrivateKey: text, URL: p.URL}
}

func (p *provider) signInWithApple(t *testing.T) *oidc.Apple {
	t.Helper()
	a, err := oidc.NewApple(p.appleConfig(), p.client, p.clock)
	require.NoError(t, err)
	return a
}

func (p *provider) appleToken(t *testing.T, change jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": "https://appleid.apple.com", "aud": "id.halobestie.app", "sub": "000123.abc.0456", "email_verified": "true", "is_private_email": "true"}
	for name, value := range change {
		claims[name] = value
	}
	return p.token(t, "a", claims)
}

func refuse(status int, code string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":%q}`, code)
	}
}
