package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/protocol"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// within is how fast what an operator does reaches the sockets of every instance.
const within = 2 * time.Second

// operator is somebody at the control center.
type operator struct {
	w     *world
	token string
}

// operator makes one and signs it in at an instance.
func (i *instance) operator(role core.Role) *operator {
	i.w.t.Helper()
	const password = "Benar-benar 1"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(i.w.t, err)
	email := fmt.Sprintf("op%d@halo.test", i.w.phones.Add(1))
	i.w.exec(`insert into control_center_users (id, email, display_name, role, password_hash) values (gen_random_uuid(), $1, 'O', $2, $3)`, email, role, string(hash))
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	i.post("/internal/auth/login", map[string]string{"email": email, "password": password}, &tokens)
	return &operator{w: i.w, token: tokens.AccessToken}
}

// do sends a request to an instance's internal address, wants a success, and gives the answer.
func (o *operator) do(at *instance, method, path, body string) (answer map[string]any) {
	o.w.t.Helper()
	request, err := http.NewRequestWithContext(o.w.t.Context(), method, "http://"+at.program.InternalAddr().String()+path, bytes.NewReader([]byte(body)))
	require.NoError(o.w.t, err)
	request.Header.Set("Authorization", "Bearer "+o.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	at.roundTrip(request, &answer)
	return answer
}

// refused sends a request of an account to an instance's public address and gives the code of its refusal.
func (a *account) refused(at *instance, path string) string {
	a.w.t.Helper()
	request, err := http.NewRequestWithContext(a.w.t.Context(), http.MethodGet, "http://"+at.program.PublicAddr().String()+path, nil)
	require.NoError(a.w.t, err)
	request.Header.Set("Authorization", "Bearer "+a.token)
	_, content := a.w.exchange(request)
	var failure struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	require.NoError(a.w.t, json.Unmarshal(content, &failure), "%s", content)
	return failure.Error.Code
}

// A mitra is deactivated at one instance: at the other its socket closes for good, its customer is told, and its token
// is worth nothing anywhere.
func TestConsole_DeactivateReachesEveryInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(b, b)
	ani := a.operator(core.Attendant)
	done := ani.do(a, "PATCH", "/internal/mitras/"+session.Mitra.MitraID.String()+"/status", `{"is_active":false}`)
	told := stopwatch(t)
	require.Equal(t, []any{session.SessionID.String()}, done["ended_sessions"])

	require.Equal(t, protocol.EndReason("deactivated"), await(phone, status(protocol.StatusEnded)).Session.EndReason)
	require.Equal(t, protocol.EndReason("deactivated"), await(mitra, status(protocol.StatusEnded)).Session.EndReason)
	require.Equal(t, "deactivated", string(await[protocol.PresenceUpdate](mitra, func(m protocol.PresenceUpdate) bool {
		return m.Mode == protocol.ModeOffline
	}).Reason))
	require.Equal(t, protocol.CloseInactive, mitra.awaitClose())
	told(within)
	for _, at := range []*instance{a, b} {
		require.Equal(t, "SESSION_REVOKED", mitra.account.refused(at, "/api/mitra/auth/me"))
		again := mitra.account.dial(at, mitra.account.token)
		require.Equal(t, protocol.CodeSessionRevoked, await[protocol.Error](again).Code)
		require.Equal(t, protocol.CloseRevoked, again.awaitClose())
	}
	phone.do(protocol.PairingRequest{RequestKey: "again", PackageID: phone.account.freePackage()}) // its customer is free
}

// The same without Valkey: the outbox carries it.
func TestConsole_DeactivateWithoutValkey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.valkeyURL = "redis://127.0.0.1:1"
	a, b := w.instance(), w.instance()
	mitra, _, session := w.talking(b, b)
	a.operator(core.Attendant).do(a, "PATCH", "/internal/mitras/"+session.Mitra.MitraID.String()+"/status", `{"is_active":false}`)
	require.Equal(t, protocol.CloseInactive, mitra.awaitClose())
	require.Eventually(t, func() bool { // the socket closes by the event before the one that revokes the token
		return mitra.account.refused(b, "/api/mitra/auth/me") == "SESSION_REVOKED"
	}, patience, 10*time.Millisecond)
}

// Set offline by an operator, a mitra gets no more sessions and keeps the one that it has.
func TestConsole_ForceOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(b, b)
	ani := a.operator(core.Attendant)
	require.Equal(t, "offline", ani.do(a, "POST", "/internal/mitras/"+session.Mitra.MitraID.String()+"/offline", "")["mode"])
	require.Equal(t, "operator", string(await(mitra, func(m protocol.PresenceUpdate) bool { return m.Mode == protocol.ModeOffline }).Reason))
	require.Equal(t, protocol.StatusActive, phone.do(protocol.StateGet{}).State.Customer.Session.Status)
	require.Equal(t, protocol.ModeOnline, mitra.do(online()).Mode, "it may come back by itself")
}

// An operator ends a session: both sides are told, wherever they are.
func TestConsole_EndSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(a, b)
	ani := b.operator(core.Attendant)
	require.Equal(t, "ended", ani.do(b, "POST", "/internal/sessions/"+session.SessionID.String()+"/end", `{"note":"asked for by phone"}`)["status"])
	for _, side := range []*app{mitra, phone} {
		require.Equal(t, protocol.EndReason("operator"), await(side, status(protocol.StatusEnded)).Session.EndReason)
	}
	events := ani.do(a, "GET", "/internal/sessions/"+session.SessionID.String(), "")["events"].([]any)
	require.Equal(t, "asked for by phone", events[len(events)-1].(map[string]any)["note"])
}

// A setting that is changed at one instance holds at all of them within seconds.
func TestConsole_ConfigIsFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	boss := a.operator(core.Admin)
	boss.do(a, "PUT", "/internal/config/pairing_wave_size", `{"value":17}`)
	boss.do(b, "PUT", "/internal/config/customer_anonymity", `{"value":"anonymous"}`)
	for _, i := range []*instance{a, b} {
		require.Eventually(t, func() bool {
			now := i.program.db.Settings().Current()
			return now.WaveSize == 17 && now.CustomerAnonymity == core.Anonymous
		}, patience, 20*time.Millisecond)
	}
	// A mitra sees it in its next session.
	mitra := a.mitra("Sari").connect()
	mitra.do(online())
	phone := b.customer().connect()
	phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: phone.account.freePackage()})
	require.Equal(t, "Bestie", await[protocol.Offer](mitra).CustomerName)
}

// Tests may hash passwords cheaply; the program never does.
func TestConsole_PasswordsCostTwelve(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.instance()
	made := a.operator(core.Admin).do(a, "POST", "/internal/control-center-users",
		`{"email":"dewi@halo.test","display_name":"Dewi","role":"operator","password":"Kata sandi 9x"}`)
	require.Equal(t, "dewi@halo.test", made["email"])
	hash := pgtest.Value[string](t, w.databaseURL, `select password_hash from control_center_users where email = 'dewi@halo.test'`)
	cost, err := bcrypt.Cost([]byte(hash))
	require.NoError(t, err)
	require.Equal(t, 12, cost)
}

// The dashboard counts what is on all instances, whichever is asked.
func TestConsole_Dashboard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	w.talking(a, b)
	ani := a.operator(core.Attendant)
	for _, i := range []*instance{a, b} {
		require.Eventually(t, func() bool {
			now := ani.do(i, "GET", "/internal/dashboard", "")
			return now["sockets"] == 2.0 && now["instances"] == 2.0 && now["online"] == 1.0 && now["available"] == 0.0 &&
				now["busy"] == 1.0 && now["active_sessions"] == 1.0
		}, patience, 100*time.Millisecond)
	}
	require.Len(t, ani.do(b, "GET", "/internal/instances", "")["items"], 2)
	require.Equal(t, "3.1.0", ani.do(a, "GET", "/internal/openapi.json", "")["openapi"])
}
