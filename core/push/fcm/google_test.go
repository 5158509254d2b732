package fcm_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core/push/fcm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serviceAccount = "pusher@project.iam.example.com"

// accountKey is made once: it takes a while.
var accountKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// google is FCM, the token endpoint and the metadata server in one, as their documentation has them. Whatever is not set is as
// on a good day.
type google struct {
	t      *testing.T
	server *httptest.Server
	key    *rsa.PrivateKey
	now    func() time.Time

	mu     sync.Mutex
	send   http.HandlerFunc // answers messages:send
	grant  http.HandlerFunc // answers for access tokens
	asked  int              // for access tokens
	bodies []map[string]any // of messages:send
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	g := &google{t: t, key: accountKey(), now: time.Now}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/projects/halo/messages:send", g.serveSend)
	mux.HandleFunc("POST /token", g.serveToken)
	mux.HandleFunc("GET /computeMetadata/v1/instance/service-accounts/default/token", g.serveMetadata)
	g.server = httptest.NewServer(mux)
	t.Cleanup(g.server.Close)
	return g
}

// credentials is the service account's file.
func (g *google) credentials() []byte {
	g.t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(g.key)
	require.NoError(g.t, err)
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "halo", "private_key_id": "key-1", "client_email": serviceAccount,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		"token_uri":   g.server.URL + "/token",
	})
	require.NoError(g.t, err)
	return file
}

// sender sends with the service account.
func (g *google) sender() *fcm.Sender {
	return g.senderOf(fcm.Config{Credentials: g.credentials()})
}

func (g *google) senderOf(cfg fcm.Config) *fcm.Sender {
	g.t.Helper()
	cfg.URL, cfg.MetadataURL = g.server.URL, g.server.URL
	sender, err := fcm.New(cfg, g.time)
	require.NoError(g.t, err)
	g.t.Cleanup(sender.Close)
	return sender
}

// change sets something while the server runs.
func (g *google) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func (g *google) serveSend(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	content, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(content, &body) != nil || len(content) > 4096 {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	send, good := g.send, fmt.Sprintf("Bearer access-%d", g.asked)
	g.bodies = append(g.bodies, body)
	g.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != good:
		answer(http.StatusUnauthorized, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`)(w, r)
	case send != nil:
		send(w, r)
	default:
		answer(http.StatusOK, `{"name":"projects/halo/messages/0:1500415314455276%31bd1c9631bd1c96"}`)(w, r)
	}
}

// serveToken checks the assertion as RFC 7523 wants it.
func (g *google) serveToken(w http.ResponseWriter, r *http.Request) {
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(r.PostFormValue("assertion"), claims, func(*jwt.Token) (any, error) { return g.key.Public(), nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(serviceAccount), jwt.WithAudience(g.server.URL+"/token"),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(g.time))
	if err != nil || token.Header["kid"] != "key-1" || claims["scope"] != "https://www.googleapis.com/auth/firebase.messaging" ||
		r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		answer(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)(w, r)
		return
	}
	g.serveGrant(w, r)
}

func (g *google) serveMetadata(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Flavor") != "Google" || r.FormValue("scopes") == "" {
		http.Error(w, "not for browsers", http.StatusForbidden)
		return
	}
	g.serveGrant(w, r)
}

func (g *google) serveGrant(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked++
	grant, n := g.grant, g.asked
	g.mu.Unlock()
	if grant == nil {
		grant = answer(http.StatusOK, fmt.Sprintf(`{"access_token":"access-%d","expires_in":3599,"token_type":"Bearer"}`, n))
	}
	grant(w, r)
}

func (g *google) time() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now()
}

// tokens is how often an access token was asked for, messages how many came.
func (g *google) tokens() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

func (g *google) messages() []map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bodies
}

// answer gives a status, a body, and headers in pairs.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// fault is an answer of FCM with its own error code.
func fault(status int, general, code, message string, headers ...string) http.HandlerFunc {
	return answer(status, fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q,"details":[
		{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":%q}]}}`, status, message, general, code), headers...)
}
