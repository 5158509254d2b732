package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
)

func google(sub string) auth.Identity {
	return auth.Identity{Kind: auth.ByGoogle, Value: sub, Email: sub + "@example.com"}
}

func apple(sub string) auth.Identity {
	return auth.Identity{Kind: auth.ByApple, Value: sub, Email: sub + "@example.com", Apple: &auth.SealedToken{Client: "app", KeyID: "k1", Sealed: []byte("sealed " + sub)}}
}

func TestAccounts_OneAccountTakesEveryIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.db.Accounts()
	account, err := a.SignUp(t.Context(), newSession())
	require.NoError(t, err)
	id := core.CustomerID(account.ID)
	for _, identity := range []auth.Identity{byPhone, google("g"), apple("a"), google("g")} {
		account, err = a.Link(t.Context(), id, identity)
		require.NoError(t, err)
		require.False(t, account.Anonymous)
	}
	require.Equal(t, "g@example.com", account.Email, "the first address stays")
	require.Equal(t, phone, account.Phone)
	for _, identity := range []auth.Identity{byPhone, google("g"), apple("a")} {
		in, err := a.SignIn(t.Context(), core.Customer, identity, newSession())
		require.NoError(t, err)
		require.Equal(t, account.ID, in.ID, "each of them leads to it")
	}
	_, err = a.Link(t.Context(), id, google("another"))
	require.Equal(t, core.Conflict, core.CodeOf(err))

	other, err := a.SignUp(t.Context(), newSession())
	require.NoError(t, err)
	for _, identity := range []auth.Identity{byPhone, google("g"), apple("a")} {
		_, err = a.Link(t.Context(), core.CustomerID(other.ID), identity)
		require.Equal(t, core.IdentityInUse, core.CodeOf(err))
	}
	// The same address with another subject is another person: who an address belongs to changes.
	stranger, err := a.SignIn(t.Context(), core.Customer, auth.Identity{Kind: auth.ByGoogle, Value: "stranger", Email: "g@example.com"}, newSession())
	require.NoError(t, err)
	require.NotEqual(t, account.ID, stranger.ID)
	require.Empty(t, stranger.Email)
	require.Equal(t, int64(1), value[int64](w, `select count(*) from apple_tokens`))
}

func TestAccounts_Rename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account, err := w.db.Accounts().Rename(t.Context(), w.customer(), "Budi")
	require.NoError(t, err)
	require.Equal(t, "Budi", account.DisplayName)
	_, err = w.db.Accounts().Rename(t.Context(), core.NewID[core.CustomerID](), "Budi")
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestAccounts_DeleteLeavesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.db.Accounts()
	var events []core.Event
	w.db.OnCommit(func(committed []core.Event, _ []core.MitraID) { events = append(events, committed...) })
	session := newSession()
	account, err := a.SignIn(t.Context(), core.Customer, byPhone, session)
	require.NoError(t, err)
	id := core.CustomerID(account.ID)
	for _, identity := range []auth.Identity{google("g"), apple("a")} {
		_, err = a.Link(t.Context(), id, identity)
		require.NoError(t, err)
	}
	_, err = a.Rename(t.Context(), id, "Budi")
	require.NoError(t, err)
	w.exec(`insert into device_tokens (token, user_type, user_id, auth_session_id, platform) values ('push', 'customer', $1, $2, 'ios')`, id, session.ID)
	_, err = a.Issue(t.Context(), newCode(core.Customer, phone))
	require.NoError(t, err)
	w.exec(`update otp_requests set created_at = now() - interval '2 hours'`)
	_, err = a.Issue(t.Context(), newCode(core.Customer, phone))
	require.NoError(t, err)

	m := w.mitra()
	s, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: id, Key: "k", PackageID: w.paid, Note: "my secret"}, []core.MitraID{m})
	require.NoError(t, err)
	w.accepts(s, m)
	events = nil
	revoked, err := a.Delete(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []core.AuthSessionID{session.ID}, revoked)

	read, err := w.db.Accounts().Account(t.Context(), core.Customer, account.ID)
	require.NoError(t, err)
	require.False(t, read.Active)
	for _, left := range []string{"Budi", phone, "example.com", "my secret", `"g"`} {
		for _, table := range []string{"customers", "chat_sessions", "session_events", "device_tokens", "auth_sessions", "idempotency_keys", "payments"} {
			text := value[string](w, `select coalesce(json_agg(x)::text, '') from `+table+` x`)
			require.NotContains(t, text, left, table)
		}
	}
	require.Equal(t, "cancelled account_deleted", value[string](w, `select status || ' ' || end_reason from chat_sessions`))
	require.Equal(t, int64(1), value[int64](w, `select count(*) from payments where customer_id = $1`, id), "money is kept, under an id that is nobody's")
	require.Equal(t, int64(0), value[int64](w, `select count(*) from chat_sessions where mitra_id = $1 and status in ('pending_payment', 'active')`, m))
	require.Equal(t, int64(1), value[int64](w, `select count(*) from otp_requests where superseded_at is not null`), "the last hour's still counts against floods")
	require.Equal(t, int64(1), value[int64](w, `select count(*) from otp_requests`))
	require.Equal(t, int64(1), value[int64](w, `select count(*) from apple_tokens where due_at <= now()`))

	kinds := map[core.EventKind]int{}
	for _, e := range events {
		kinds[e.Kind]++
		require.NotContains(t, string(e.Body), "Budi")
		if e.Kind == core.AuthRevoked {
			var body auth.Revoked
			require.NoError(t, json.Unmarshal(e.Body, &body))
			require.Equal(t, auth.Deleted, body.Reason)
		}
	}
	require.Equal(t, map[core.EventKind]int{core.AuthRevoked: 1, core.SessionUpdated: 2}, kinds, "both sides are told")

	again, err := a.Delete(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, again)
	_, err = a.Delete(t.Context(), core.NewID[core.CustomerID]())
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = a.Link(t.Context(), id, google("h"))
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = a.Rename(t.Context(), id, "Back")
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = a.Export(t.Context(), id)
	require.Equal(t, core.NotFound, core.CodeOf(err))
	fresh, err := a.SignIn(t.Context(), core.Customer, byPhone, newSession())
	require.NoError(t, err)
	require.NotEqual(t, account.ID, fresh.ID, "the phone is free for another account")
}

func TestAccounts_DeleteEndsTheLiveSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	searching := w.asks(w.free)
	active, _ := w.starts()
	for _, s := range []chat.Session{searching, active} {
		_, err := w.db.Accounts().Delete(t.Context(), s.CustomerID)
		require.NoError(t, err)
	}
	status := `select status || ' ' || end_reason from chat_sessions where id = $1`
	require.Equal(t, "cancelled account_deleted", value[string](w, status, searching.ID))
	require.Equal(t, "ended account_deleted", value[string](w, status, active.ID))
}

// Whichever comes first, a deleted customer has no live session.
func TestAccounts_DeleteRacesWithARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 15 {
		id := w.customer()
		var both sync.WaitGroup
		both.Go(func() {
			_, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: id, Key: fmt.Sprint(round), PackageID: w.free}, w.mitras(1))
			require.Contains(t, []core.Code{"", core.NotFound}, core.CodeOf(err), "%v", err)
		})
		both.Go(func() {
			_, err := w.db.Accounts().Delete(t.Context(), id)
			require.NoError(t, err)
		})
		both.Wait()
	}
	require.Zero(t, value[int64](w, `select count(*) from chat_sessions where status in ('searching', 'pending_payment', 'active')`))
	_, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: core.NewID[core.CustomerID](), Key: "k", PackageID: w.free}, nil)
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestAccounts_Export(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.db.Accounts()
	session := newSession()
	account, err := a.SignIn(t.Context(), core.Customer, byPhone, session)
	require.NoError(t, err)
	id := core.CustomerID(account.ID)
	_, err = a.Link(t.Context(), id, google("g"))
	require.NoError(t, err)
	_, err = a.Issue(t.Context(), newCode(core.Customer, phone))
	require.NoError(t, err)
	w.exec(`insert into device_tokens (token, user_type, user_id, auth_session_id, platform) values ('push', 'customer', $1, $2, 'ios')`, id, session.ID)
	m := w.mitra()
	s, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: id, Key: "k", PackageID: w.paid, Note: "halo"}, []core.MitraID{m})
	require.NoError(t, err)
	w.accepts(s, m)
	w.asks(w.free) // somebody else's
	w.exec(`insert into customer_credits (customer_id, amount, balance, reason) values ($1, 500, 500, 'operator')`, id)
	w.exec(`insert into session_events (session_id, to_status, actor_type, actor_id, note) values ($1, 'searching', 'customer', $2, 'hers'),
		($1, 'searching', 'mitra', $3, 'not hers')`, s.ID, id, m)
	w.exec(`insert into refunds (id, payment_id, amount) select gen_random_uuid(), id, 700 from payments where session_id = $1`, s.ID)

	e, err := a.Export(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, account.ID, e.Account.ID)
	require.Equal(t, "g", e.Google)
	require.Empty(t, e.Apple)
	require.Equal(t, "203.0.113.9", e.AuthSessions[0].IP.String())
	require.Equal(t, "test", e.AuthSessions[0].UserAgent)
	require.Equal(t, "push", e.Devices[0].Token)
	require.Equal(t, phone, e.Codes[0].Phone)
	require.Len(t, e.Sessions, 1)
	require.Equal(t, "halo", e.Sessions[0].Note)
	require.Equal(t, m, e.Sessions[0].MitraID)
	require.Equal(t, "Ayu", e.Sessions[0].MitraName)
	require.Equal(t, int64(25_000), e.Payments[0].Amount)
	require.Equal(t, int64(500), e.Credits[0].Balance)
	require.Equal(t, auth.ExportedRefund{Payment: e.Payments[0].ID, Amount: 700, Status: "pending", At: e.Refunds[0].At}, e.Refunds[0])
	require.Equal(t, []string{"", "", "hers", ""}, notes(e.Steps))
	require.Equal(t, []string{"customer", "mitra"}, []string{e.Steps[0].By, e.Steps[1].By})
	text, err := json.Marshal(e)
	require.NoError(t, err)
	mitraPhone := value[string](w, `select phone from mitras where id = $1`, m)
	require.NotContains(t, string(text), strings.TrimPrefix(mitraPhone, "+"), "of the mitra no more than the customer saw")
	_, err = a.Export(t.Context(), core.NewID[core.CustomerID]())
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func notes(steps []auth.ExportedStep) (all []string) {
	for _, step := range steps {
		all = append(all, step.Note)
	}
	return all
}

func TestAppleTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.db.Accounts()
	var ids []core.CustomerID
	for _, sub := range []string{"a", "b", "c"} {
		account, err := a.SignIn(t.Context(), core.Customer, apple(sub), newSession())
		require.NoError(t, err)
		ids = append(ids, core.CustomerID(account.ID))
	}
	orphans, err := a.Orphans(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, orphans)

	old, err := a.SealedOtherwise(t.Context(), "k2", core.CustomerID{}, 2)
	require.NoError(t, err)
	require.Len(t, old, 2)
	rest, err := a.SealedOtherwise(t.Context(), "k2", old[1].Customer, 2)
	require.NoError(t, err)
	require.Len(t, rest, 1)
	require.NoError(t, a.Reseal(t.Context(), old[0], auth.SealedToken{KeyID: "k2", Sealed: []byte("anew")}))
	require.NoError(t, a.Reseal(t.Context(), old[0], auth.SealedToken{KeyID: "k3", Sealed: []byte("too late")}))
	rest, err = a.SealedOtherwise(t.Context(), "k2", core.CustomerID{}, 10)
	require.NoError(t, err)
	require.Len(t, rest, 2)

	_, err = a.Delete(t.Context(), old[0].Customer)
	require.NoError(t, err)
	orphans, err = a.Orphans(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, orphans, 1)
	require.Equal(t, 1, orphans[0].Tries)
	require.True(t, bytes.Equal([]byte("anew"), orphans[0].Sealed))
	again, err := a.Orphans(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, again, "it is claimed")
	w.exec(`update apple_tokens set due_at = now() where due_at is not null`)
	again, err = a.Orphans(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, again[0].Tries, "and due again")
	require.NoError(t, a.Forget(t.Context(), old[0].Customer))
	require.NoError(t, a.Forget(t.Context(), ids[2]), "what is somebody's stays")
	require.Equal(t, int64(2), value[int64](w, `select count(*) from apple_tokens`))
}

func TestClean_SignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.db.Accounts()
	var sessions []auth.NewSession
	for range 4 {
		session := newSession()
		account, err := a.SignUp(t.Context(), session)
		require.NoError(t, err)
		w.exec(`insert into device_tokens (token, user_type, user_id, auth_session_id, platform) values ($1, 'customer', $2, $3, 'ios')`, session.ID.String(), account.ID, session.ID)
		sessions = append(sessions, session)
	}
	w.exec(`update auth_sessions set expires_at = now() - interval '8 days' where id = $1`, sessions[0].ID)
	w.exec(`update auth_sessions set revoked_at = now() - interval '8 days', revoke_reason = 'logout' where id = $1`, sessions[1].ID)
	w.exec(`update auth_sessions set revoked_at = now() - interval '6 days', revoke_reason = 'logout' where id = $1`, sessions[2].ID)
	for range 2 {
		_, err := a.Issue(t.Context(), newCode(core.Customer, phone))
		require.NoError(t, err)
		w.exec(`update otp_requests set created_at = created_at - interval '110 minutes'`)
	}
	for _, address := range []string{"old@example.com", "new@example.com"} {
		_, err := a.TryPassword(t.Context(), address, core.DefaultSettings())
		require.NoError(t, err)
		w.exec(`update unknown_logins set updated_at = updated_at - interval '13 hours'`)
	}
	require.NoError(t, w.db.Clean(t.Context()))
	require.Equal(t, int64(2), value[int64](w, `select count(*) from auth_sessions`))
	require.Equal(t, int64(2), value[int64](w, `select count(*) from device_tokens`))
	require.Equal(t, int64(1), value[int64](w, `select count(*) from otp_requests`))
	require.Equal(t, int64(1), value[int64](w, `select count(*) from unknown_logins`))
}
