package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

// firebase is FCM, as an instance sees it: it takes every push but those to the token "dead".
type firebase struct {
	t        *testing.T
	settings []string // of an instance that sends to it
	pushes   chan fcmPush
}

type fcmPush struct {
	Token string            `json:"token"`
	Data  map[string]string `json:"data"`
}

func newFirebase(t *testing.T) *firebase {
	t.Helper()
	f := &firebase{t: t, pushes: make(chan fcmPush, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"access","expires_in":3599}`)
	})
	mux.HandleFunc("POST /v1/projects/halo/messages:send", f.send)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	credentials, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "halo", "client_email": "a@b", "token_uri": server.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})),
	})
	require.NoError(t, err)
	f.settings = []string{"PUSH_PROVIDER=fcm", "FCM_BASE_URL=" + server.URL, "FCM_CREDENTIALS_JSON=" + string(credentials)}
	return f
}

func (f *firebase) send(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Message fcmPush `json:"message"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		f.t.Error(err)
	}
	f.pushes <- body.Message
	if body.Message.Token == "dead" {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"status":"NOT_FOUND","details":[
			{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}`)
		return
	}
	_, _ = io.WriteString(w, `{"name":"projects/halo/messages/1"}`)
}

// next waits for n pushes and gives their data by token.
func (f *firebase) next(n int) map[string]map[string]string {
	f.t.Helper()
	all := map[string]map[string]string{}
	timeout := time.After(patience)
	for range n {
		select {
		case p := <-f.pushes:
			require.NotContains(f.t, all, p.Token)
			all[p.Token] = p.Data
		case <-timeout:
			require.FailNow(f.t, "a push did not come", "%v", all)
		}
	}
	return all
}

func register(token string) protocol.DeviceRegister {
	return protocol.DeviceRegister{PushToken: token, Platform: "android"}
}

// An offer whose receipt is missing after two seconds is pushed, once, by one of two instances; one that was confirmed is not.
func TestPush_AnOfferWithoutReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari, dewi := a.mitra("Sari").connect(), b.mitra("Dewi").connect()
	sari.do(register("sari's phone"))
	dewi.do(register("dewi's phone"))
	sari.do(online())
	dewi.do(online())
	customer := b.customer()
	phone := customer.connect()
	asked := time.Now()
	phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()})
	dewi.tell(protocol.OfferReceived{OfferID: await[protocol.Offer](dewi).OfferID})
	await[protocol.Offer](sari) // and no receipt

	sent := func() uint64 { return a.program.push.Stats().Sent + b.program.push.Stats().Sent }
	require.Eventually(t, func() bool { return sent() > 0 }, patience, 20*time.Millisecond)
	require.Greater(t, time.Since(asked), 1900*time.Millisecond)
	require.Eventually(t, func() bool { return w.count(`select count(*) from pushes`) == 0 }, patience, 20*time.Millisecond)
	require.Zero(t, w.count(`select count(*) from session_offers where push_due_at is not null`), "nothing is left to push")
	require.Equal(t, uint64(1), sent())
}

func TestPush_ThroughFCM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	google := newFirebase(t)
	a, b := w.instance(google.settings...), w.instance(google.settings...)
	sari := a.mitra("Sari").connect()
	sari.do(register("sari"))
	sari.do(online())
	customer := b.customer()
	phone := customer.connect()
	phone.do(register("customer"))
	second := customer.connect()
	second.do(register("dead"))

	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage(), Note: "a secret"}).Session
	offer := await[protocol.Offer](sari)
	pushed := google.next(1)["sari"]
	require.Equal(t, "offer", pushed["type"])
	require.Equal(t, offer.OfferID.String(), pushed["offer_id"])

	sari.do(protocol.OfferAccept{OfferID: offer.OfferID})
	started := map[string]string{"type": "session_started", "session_id": asked.SessionID.String()}
	require.Equal(t, map[string]map[string]string{"sari": started, "customer": started, "dead": started}, google.next(3))
	require.Eventually(t, func() bool { return w.count(`select count(*) from device_tokens where token = 'dead'`) == 0 }, patience, 20*time.Millisecond)

	phone.cut()
	sari.do(protocol.SessionEnd{SessionID: asked.SessionID})
	ended := map[string]string{"type": "session_ended", "session_id": asked.SessionID.String()}
	require.Equal(t, map[string]map[string]string{"sari": ended, "customer": ended}, google.next(2))

	customer.logout()
	require.Equal(t, int64(1), w.count(`select count(*) from device_tokens`), "the customer's device ends with the sign-in")
	require.Empty(t, google.pushes)
}
