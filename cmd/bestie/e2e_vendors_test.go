package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// vendors is one local server that stands for Google, Apple and Fazpass at once, in their documented forms.
type vendors struct {
	*httptest.Server
	key     *rsa.PrivateKey
	codes   chan string // that Fazpass was to send
	revoked chan string // that Apple was told of
}

func newVendors(t *testing.T) *vendors {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	v := &vendors{key: key, codes: make(chan string, 10), revoked: make(chan string, 10)}
	keys := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "kid": "k", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		}}})
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /certs", keys)
	routes.HandleFunc("GET /auth/keys", keys)
	routes.HandleFunc("POST /auth/token", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"refresh_token": "r1", "id_token": v.idToken(t, "https://appleid.apple.com", "id.app")})
	})
	routes.HandleFunc("POST /auth/revoke", func(_ http.ResponseWriter, r *http.Request) { v.revoked <- r.PostFormValue("token") })
	routes.HandleFunc("POST /v1/otp/send", func(w http.ResponseWriter, r *http.Request) {
		var message struct {
			OTP string `json:"otp"`
		}
		_ = json.NewDecoder(r.Body).Decode(&message)
		v.codes <- message.OTP
		_, _ = w.Write([]byte(`{"status":true,"code":"2000200"}`))
	})
	v.Server = httptest.NewServer(routes)
	t.Cleanup(v.Close)
	return v
}

func (v *vendors) idToken(t *testing.T, issuer, client string) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": issuer, "aud": client, "sub": "budi", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	token.Header["kid"] = "k"
	text, err := token.SignedString(v.key)
	require.NoError(t, err)
	return text
}

// settings point an instance at the server.
func (v *vendors) settings(t *testing.T) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return []string{
		"OTP_PROVIDER=fazpass", "FAZPASS_MERCHANT_KEY=m", "FAZPASS_GATEWAY_KEY=g", "FAZPASS_URL=" + v.URL,
		"GOOGLE_OAUTH_CLIENT_IDS=app", "GOOGLE_OAUTH_KEYS_URL=" + v.URL + "/certs",
		"APPLE_SERVICES_ID=id.app", "APPLE_TEAM_ID=T", "APPLE_KEY_ID=K", "APPLE_PRIVATE_KEY=" + text, "APPLE_URL=" + v.URL,
	}
}

// An anonymous customer takes on a phone, Google and Apple, one after the other, all of them by settings alone; and Apple is told when the
// account goes.
func TestVendors_OneAccountTakesThemAll(t *testing.T) {
	t.Parallel()
	v := newVendors(t)
	w := newWorld(t)
	a := w.instance(v.settings(t)...)
	customer := a.customer()
	link := func(path, body string) map[string]any {
		t.Helper()
		status, text := customer.call(a, "POST", path, body)
		require.Equal(t, http.StatusOK, status, text)
		var answer map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		return answer
	}
	asked := link("/api/client/auth/otp/request", `{"phone":"081234567890"}`)
	verified := link("/api/client/auth/otp/verify", `{"otp_request_id":"`+asked["otp_request_id"].(string)+`","code":"`+<-v.codes+`"}`)
	require.Equal(t, "+6281234567890", verified["user"].(map[string]any)["phone"])
	link("/api/client/auth/google", `{"id_token":"`+v.idToken(t, "https://accounts.google.com", "app")+`"}`)
	link("/api/client/auth/apple", `{"id_token":"`+v.idToken(t, "https://appleid.apple.com", "id.app")+`","authorization_code":"c"}`)
	require.Equal(t, int64(1), w.count(`select count(*) from customers where phone is not null and google_sub = 'budi' and apple_sub = 'budi'`))

	status, _ := customer.call(a, "DELETE", "/api/client/auth/me", "")
	require.Equal(t, http.StatusNoContent, status)
	require.Equal(t, "r1", <-v.revoked)
}
