package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

const phone = "+6281234567890"

var byPhone = auth.Identity{Kind: auth.ByPhone, Value: phone}

func newSession() auth.NewSession {
	return auth.NewSession{
		ID: core.NewID[core.AuthSessionID](), Salt: []byte("salt"), Hash: "hash 0", TTL: time.Hour, Idle: time.Hour,
		Device: auth.Device{IP: netip.MustParseAddr("203.0.113.9"), UserAgent: "test"},
	}
}

func accounts(t *testing.T) (*postgres.Accounts, string, *postgres.DB) {
	t.Helper()
	url := pgtest.URL(t)
	db := pgtest.Open(t, url, postgres.Options{MaxConns: 12})
	return db.Accounts(), url, db
}

func TestAccounts_SignUp(t *testing.T) {
	t.Parallel()
	a, _, _ := accounts(t)
	session := newSession()
	account, err := a.SignUp(t.Context(), session)
	require.NoError(t, err)
	require.True(t, account.Anonymous)
	require.True(t, account.Active)
	require.False(t, account.CreatedAt.IsZero())

	read, err := a.Account(t.Context(), core.Customer, account.ID)
	require.NoError(t, err)
	require.Equal(t, account, read)
	_, err = a.Account(t.Context(), core.Mitra, account.ID)
	require.Equal(t, core.NotFound, core.CodeOf(err))

	row, err := a.Session(t.Context(), session.ID)
	require.NoError(t, err)
	require.Equal(t, account, row.Account)
	require.Equal(t, session.Hash, row.Hash)
	require.Equal(t, session.Salt, row.Salt)
	require.Zero(t, row.Generation)
	require.False(t, row.Over)
	require.WithinDuration(t, time.Now().Add(time.Hour), row.ExpiresAt, time.Minute)
	_, err = a.Session(t.Context(), core.NewID[core.AuthSessionID]())
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestAccounts_SignInMakesOneCustomerAPhone(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	ids := make([]core.UserID, 10)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			account, err := a.SignIn(t.Context(), core.Customer, byPhone, newSession())
			require.NoError(t, err)
			require.Equal(t, phone, account.Phone)
			require.False(t, account.Anonymous)
			ids[i] = account.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.EqualValues(t, 10, pgtest.Value[int64](t, url, `select count(*) from auth_sessions`))
}

func TestAccounts_SignInErrMitra(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	_, err := a.SignIn(t.Context(), core.Mitra, byPhone, newSession())
	require.Equal(t, core.AccountInactive, core.CodeOf(err), "mitras are made by operators")
	_, err = a.SeedMitra(t.Context(), phone, "Sri", newSession())
	require.NoError(t, err)
	_, err = a.SignIn(t.Context(), core.Mitra, byPhone, newSession())
	require.NoError(t, err)
	pgtest.Exec(t, url, `update mitras set is_active = false`)
	_, err = a.SignIn(t.Context(), core.Mitra, byPhone, newSession())
	require.Equal(t, core.AccountInactive, core.CodeOf(err))
	require.EqualValues(t, 2, pgtest.Value[int64](t, url, `select count(*) from auth_sessions`), "nobody was let in")
}

func TestAccounts_Link(t *testing.T) {
	t.Parallel()
	a, _, _ := accounts(t)
	account, err := a.SignUp(t.Context(), newSession())
	require.NoError(t, err)
	for range 2 {
		linked, err := a.Link(t.Context(), core.CustomerID(account.ID), byPhone)
		require.NoError(t, err)
		require.Equal(t, phone, linked.Phone)
		require.False(t, linked.Anonymous)
	}
	_, err = a.Link(t.Context(), core.CustomerID(account.ID), auth.Identity{Kind: auth.ByPhone, Value: "+6281100000000"})
	require.Equal(t, core.Conflict, core.CodeOf(err))

	other, err := a.SignUp(t.Context(), newSession())
	require.NoError(t, err)
	_, err = a.Link(t.Context(), core.CustomerID(other.ID), byPhone)
	require.Equal(t, core.IdentityInUse, core.CodeOf(err))
	_, err = a.Link(t.Context(), core.NewID[core.CustomerID](), auth.Identity{Kind: auth.ByPhone, Value: "+6281100000001"})
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = a.Link(t.Context(), core.CustomerID(other.ID), auth.Identity{Kind: "carrier pigeon", Value: "1"})
	require.Equal(t, core.Internal, core.CodeOf(err))
}

func TestAccounts_RotateHasOneWinner(t *testing.T) {
	t.Parallel()
	a, _, _ := accounts(t)
	session := newSession()
	_, err := a.SignUp(t.Context(), session)
	require.NoError(t, err)
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			ok, err := a.Rotate(t.Context(), session.ID, 0, fmt.Sprint("next ", i), auth.Device{})
			require.NoError(t, err)
			if ok {
				won.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, won.Load())
	row, err := a.Session(t.Context(), session.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1, row.Generation)
	require.NotEqual(t, session.Hash, row.Hash)
	require.Less(t, row.SinceRotation, 10*time.Second)
}

func TestAccounts_ASessionThatIsOverDoesNotRotate(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	expired, revoked := newSession(), newSession()
	for _, session := range []auth.NewSession{expired, revoked} {
		_, err := a.SignUp(t.Context(), session)
		require.NoError(t, err)
	}
	pgtest.Exec(t, url, `update auth_sessions set expires_at = now() where id = $1`, expired.ID)
	require.NoError(t, a.Revoke(t.Context(), revoked.ID, auth.LoggedOut))
	for _, session := range []auth.NewSession{expired, revoked} {
		row, err := a.Session(t.Context(), session.ID)
		require.NoError(t, err)
		require.True(t, row.Over)
		won, err := a.Rotate(t.Context(), session.ID, 0, "hash 1", auth.Device{})
		require.NoError(t, err)
		require.False(t, won)
	}
}

func TestAccounts_RevokeTellsTheUserOnce(t *testing.T) {
	t.Parallel()
	a, url, db := accounts(t)
	var events []core.Event
	db.OnCommit(func(committed []core.Event, _ []core.MitraID) { events = append(events, committed...) })
	session := newSession()
	account, err := a.SignUp(t.Context(), session)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, a.Revoke(t.Context(), session.ID, auth.Theft))
	}
	require.NoError(t, a.Revoke(t.Context(), core.NewID[core.AuthSessionID](), auth.Theft))
	require.Len(t, events, 1)
	require.Equal(t, core.AuthRevoked, events[0].Kind)
	require.Equal(t, account.ID, events[0].To)
	var body auth.Revoked
	require.NoError(t, json.Unmarshal(events[0].Body, &body))
	require.Equal(t, []core.AuthSessionID{session.ID}, body.Sessions)
	require.Equal(t, auth.Theft, body.Reason)

	found, err := a.RevokedWithin(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, session.ID, found[0].Session)
	pgtest.Exec(t, url, `update auth_sessions set revoked_at = now() - interval '90 seconds'`)
	found, err = a.RevokedWithin(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Empty(t, found)
	found, err = a.RevokedWithin(t.Context(), time.Hour)
	require.NoError(t, err)
	require.InDelta(t, 90, found[0].Ago.Seconds(), 10)
}

func TestAccounts_SeedMitra(t *testing.T) {
	t.Parallel()
	a, url, db := accounts(t)
	var touched []core.MitraID
	db.OnCommit(func(_ []core.Event, mitras []core.MitraID) { touched = append(touched, mitras...) })
	first, err := a.SeedMitra(t.Context(), phone, "Sri", newSession())
	require.NoError(t, err)
	again, err := a.SeedMitra(t.Context(), phone, "Sri Dewi", newSession())
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, "Sri Dewi", again.DisplayName)
	require.Equal(t, []core.MitraID{core.MitraID(first.ID), core.MitraID(first.ID)}, touched, "the mirror follows")

	pgtest.Exec(t, url, `update mitras set is_test = false`)
	_, err = a.SeedMitra(t.Context(), phone, "Mallory", newSession())
	require.Equal(t, core.Conflict, core.CodeOf(err))
	require.Equal(t, "Sri Dewi", pgtest.Value[string](t, url, `select display_name from mitras`))
}

func TestAccounts_Fill(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	_, err := a.SeedMitra(t.Context(), phone, "Sri", newSession())
	require.NoError(t, err)
	sessions := []auth.NewSession{newSession(), newSession(), newSession()}
	phones := []string{"+62899000000001", phone, "+62899000000003"}

	made, err := a.Fill(t.Context(), core.Mitra, sessions, phones)
	require.NoError(t, err)
	require.Len(t, made, 2, "one phone is taken")
	for _, m := range made {
		row, err := a.Session(t.Context(), m.ID)
		require.NoError(t, err)
		require.Equal(t, m.Account.ID, row.Account.ID)
		require.Equal(t, core.Mitra, row.Account.Type)
	}
	require.EqualValues(t, 3, pgtest.Value[int64](t, url, `select count(*) from mitras where is_test`))

	made, err = a.Fill(t.Context(), core.Customer, []auth.NewSession{newSession(), newSession()}, phones[:2])
	require.NoError(t, err)
	require.Len(t, made, 2)
	require.EqualValues(t, 2, pgtest.Value[int64](t, url, `select count(*) from customers where phone is null`))
}

func TestAccounts_ErrUnavailable(t *testing.T) {
	t.Parallel()
	a, _, db := accounts(t)
	db.Close()
	_, err := a.SignUp(t.Context(), newSession())
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	_, err = a.Session(t.Context(), core.NewID[core.AuthSessionID]())
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	_, err = a.Issue(t.Context(), newCode(core.Customer, phone))
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	_, err = a.Attempt(t.Context(), auth.Attempt{})
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	_, err = a.RevokedWithin(t.Context(), time.Hour)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
}

func newCode(app core.UserType, to string) auth.NewCode {
	return auth.NewCode{
		ID: core.NewID[core.OTPRequestID](), App: app, Phone: to, Origin: netip.MustParseAddr("203.0.113.9"),
		MAC: bytes.Repeat([]byte{1}, 32), Blind: bytes.Repeat([]byte{2}, 32), Settings: core.DefaultSettings(),
	}
}
