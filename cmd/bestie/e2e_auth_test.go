package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/protocol"
)

// call sends a request of an account's to an instance and gives the status and the body.
func (a *account) call(at *instance, method, path, body string) (int, string) {
	a.w.t.Helper()
	request, err := http.NewRequestWithContext(a.w.t.Context(), method, "http://"+at.program.PublicAddr().String()+path, strings.NewReader(body))
	require.NoError(a.w.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+a.token)
	status, content := a.w.exchange(request)
	return status, string(content)
}

// renew changes the account's refresh token for its successor and gives the one before.
func (a *account) renew(at *instance) (before string) {
	a.w.t.Helper()
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	at.post("/api/shared/auth/refresh", map[string]string{"refresh_token": a.refresh}, &tokens)
	before, a.token, a.refresh = a.refresh, tokens.AccessToken, tokens.RefreshToken
	return before
}

// endings are the ways in which somebody is signed out.
var endings = map[string]func(t *testing.T, a *account, at *instance){
	"logout": func(_ *testing.T, a *account, _ *instance) { a.logout() },
	"logout everywhere": func(t *testing.T, a *account, at *instance) {
		status, _ := a.call(at, "POST", "/api/shared/auth/logout-all", "")
		require.Equal(t, http.StatusNoContent, status)
	},
	"deletion": func(t *testing.T, a *account, at *instance) {
		status, _ := a.call(at, "DELETE", "/api/client/auth/me", "")
		require.Equal(t, http.StatusNoContent, status)
	},
	"theft": func(t *testing.T, a *account, at *instance) {
		stolen := a.renew(at)
		a.renew(at)
		status, text := a.call(at, "POST", "/api/shared/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, stolen))
		require.Equal(t, http.StatusUnauthorized, status, text)
	},
	"by an operator": func(t *testing.T, a *account, at *instance) {
		who, err := at.program.auth.Verify(a.token)
		require.NoError(t, err)
		require.NoError(t, at.program.auth.RevokeAll(t.Context(), who.ID, auth.ByOperator))
	},
}

// signedOutEverywhere ends auth sessions in every way there is, and wants their sockets closed on both instances within that time, and their
// access tokens, which are good for an hour yet, refused by both.
func signedOutEverywhere(t *testing.T, w *world, within time.Duration) {
	a, b := w.instance(), w.instance()
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			customer, other := a.customer(), a.customer()
			here, there, bystander := customer.connect(), customer.connectAt(b), other.connectAt(b)
			ended := stopwatch(t)
			end(t, customer, a)
			for _, socket := range []*app{here, there} {
				require.Equal(t, protocol.CloseRevoked, socket.awaitClose())
			}
			ended(within)
			for _, at := range []*instance{a, b} {
				status, text := customer.call(at, "GET", "/api/client/auth/me", "")
				require.Equal(t, http.StatusUnauthorized, status)
				require.Contains(t, text, string(core.SessionRevoked))
				refused := customer.dial(at, customer.token)
				require.Equal(t, protocol.CodeSessionRevoked, await[protocol.Error](refused).Code)
				require.Equal(t, protocol.CloseRevoked, refused.awaitClose())
			}
			bystander.do(protocol.Heartbeat{})
		})
	}
}

func TestRevocation_WithinTwoSeconds(t *testing.T) {
	t.Parallel()
	signedOutEverywhere(t, newWorld(t), 2*time.Second)
}

// Without Valkey it takes as long as the outbox is looked at, which is far below what is promised.
func TestRevocation_WithoutValkey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.valkeyURL = "redis://127.0.0.1:1"
	signedOutEverywhere(t, w, 35*time.Second)
}

// Who somebody is, and whether their auth session is over, is known without a store: an instance that has lost Postgres lets in and
// refuses as before.
func TestRevocation_AsksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.instance()
	customer, gone := a.customer(), a.customer()
	gone.logout()
	a.program.db.Close()

	refused := gone.dial(a, gone.token)
	require.Equal(t, protocol.CodeSessionRevoked, await[protocol.Error](refused).Code)
	require.Equal(t, protocol.CloseRevoked, refused.awaitClose())
	require.Equal(t, string(core.SessionRevoked), gone.refused(a, "/api/client/auth/me"))

	phone := customer.dial(a, customer.token)
	require.Nil(t, await[protocol.Welcome](phone).State, "that alone takes Postgres")
	phone.do(protocol.Heartbeat{})
	require.Equal(t, string(core.Forbidden), customer.refused(a, "/api/mitra/auth/me"))
}

// A client whose tokens live for two seconds stays connected: it is warned in time, and its next token comes over the socket.
func TestShortTokens_NoReconnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance("ACCESS_TOKEN_TTL_SECONDS=2"), w.instance("ACCESS_TOKEN_TTL_SECONDS=2")
	customer := a.customer()
	phone := customer.connect()
	expires := phone.welcome.TokenExpiresAt
	for i := range 12 {
		warned := await[protocol.AuthExpiring](phone)
		require.Equal(t, expires, warned.TokenExpiresAt)
		customer.renew([]*instance{a, b}[i%2])
		ack := phone.do(protocol.AuthRefresh{Token: customer.token})
		require.Greater(t, ack.TokenExpiresAt, expires)
		expires = ack.TokenExpiresAt
	}
	phone.do(protocol.Heartbeat{})
	require.Zero(t, phone.closeCode())

	stranger := b.customer()
	require.Equal(t, protocol.CodeForbidden, phone.fail(protocol.AuthRefresh{Token: stranger.token}).Code)
	require.Equal(t, protocol.CodeUnauthenticated, phone.fail(protocol.AuthRefresh{Token: "nonsense"}).Code)
}

// A client that slept through its token's life is told by the first answer what to do, does it in one request, and is back; and one whose
// socket survived needs no reconnect at all.
func TestDeadToken_BackInOneRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.instance("ACCESS_TOKEN_TTL_SECONDS=2")
	customer := a.customer()
	phone := customer.connect()
	dead := customer.token
	require.Eventually(t, func() bool {
		_, err := a.program.auth.Verify(dead)
		return core.CodeOf(err) == core.TokenExpired
	}, patience, 50*time.Millisecond)

	refused := customer.dial(a, dead)
	require.Equal(t, protocol.CodeTokenExpired, await[protocol.Error](refused).Code)
	require.Equal(t, protocol.CloseTokenExpired, refused.awaitClose())
	status, text := customer.call(a, "GET", "/api/client/auth/me", "")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, text, string(core.TokenExpired))

	customer.renew(a)
	customer.connect().do(protocol.Heartbeat{})
	phone.do(protocol.AuthRefresh{Token: customer.token})
}

// Whoever deletes the account in the middle of a session leaves it: the mitra is told, and free.
func TestDeletion_EndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(a, b)
	status, text := phone.account.call(b, "DELETE", "/api/client/auth/me", "")
	require.Equal(t, http.StatusNoContent, status, text)
	ended := await(mitra, func(m protocol.SessionUpdate) bool { return m.Session.Status == protocol.StatusEnded })
	require.Equal(t, session.SessionID, ended.Session.SessionID)
	require.Equal(t, protocol.EndReason("account_deleted"), ended.Session.EndReason)
	require.Equal(t, protocol.CloseRevoked, phone.awaitClose())

	next := a.customer()
	other := next.connect()
	other.do(protocol.PairingRequest{RequestKey: "next", PackageID: next.freePackage()})
	await[protocol.Offer](mitra)
}

// The token of a user who is gone is refused at the door, however good its signature is.
func TestDeletion_TokenOfADeletedUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.instance()
	customer := a.customer()
	status, _ := customer.call(a, "DELETE", "/api/client/auth/me", "")
	require.Equal(t, http.StatusNoContent, status)
	b := w.instance() // it has read the deny list before it listens
	refused := customer.dial(b, customer.token)
	require.Equal(t, protocol.CloseRevoked, refused.awaitClose())
	status, text := customer.call(b, "POST", "/api/shared/auth/refresh", fmt.Sprintf(`{"refresh_token":%q}`, customer.refresh))
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, text, string(core.SessionRevoked))
}
