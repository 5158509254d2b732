package postgres_test

import (
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

const rina = "rina@example.com"

func operators(t *testing.T) (*postgres.Accounts, string, *postgres.DB) {
	t.Helper()
	a, url, db := accounts(t)
	require.NoError(t, db.Seed().Operator(t.Context(), "Rina@Example.com", "hash of a password"))
	return a, url, db
}

func TestOperators_LogIn(t *testing.T) {
	t.Parallel()
	a, url, _ := operators(t)
	limits := core.DefaultSettings()
	for range 4 {
		_, err := a.TryPassword(t.Context(), rina, limits)
		require.NoError(t, err)
	}
	try, err := a.TryPassword(t.Context(), rina, limits)
	require.NoError(t, err, "the fifth is the last")
	require.Equal(t, "hash of a password", try.Hash)
	session := newSession()
	account, err := a.LogIn(t.Context(), try, session)
	require.NoError(t, err)
	require.Equal(t, core.Admin, account.Role)
	require.Equal(t, core.Operator, account.Type)
	require.Equal(t, rina, account.Email)
	row, err := a.Session(t.Context(), session.ID)
	require.NoError(t, err)
	require.Equal(t, account, row.Account)
	require.Zero(t, pgtest.Value[int64](t, url, `select count(*) from control_center_users where failed_login_count > 0 or lockout_until is not null`))

	try.Hash = "the hash of an older password"
	_, err = a.LogIn(t.Context(), try, newSession())
	require.Equal(t, core.Unauthenticated, core.CodeOf(err))
	pgtest.Exec(t, url, `update control_center_users set is_active = false`)
	try.Hash = "hash of a password"
	_, err = a.LogIn(t.Context(), try, newSession())
	require.Equal(t, core.AccountInactive, core.CodeOf(err))
}

// Who is locked out, and for how long, does not tell whether there is such an operator.
func TestOperators_LockoutIsTheSameForNobody(t *testing.T) {
	t.Parallel()
	a, url, _ := operators(t)
	limits := core.DefaultSettings()
	limits.CCMaxFailedLogins, limits.CCLockout = 3, 15*time.Minute
	for _, address := range []string{rina, "nobody@example.com"} {
		var allowed atomic.Int64
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				_, err := a.TryPassword(t.Context(), address, limits)
				if err == nil {
					allowed.Add(1)
				} else {
					require.Equal(t, core.RateLimited, core.CodeOf(err))
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 3, allowed.Load(), "exact under parallel tries: %s", address)
		_, err := a.TryPassword(t.Context(), address, limits)
		var coded *core.Error
		require.ErrorAs(t, err, &coded)
		require.InDelta(t, 15*60, coded.RetryAfter.Seconds(), 10)
	}
	pgtest.Exec(t, url, `update control_center_users set lockout_until = now()`)
	pgtest.Exec(t, url, `update unknown_logins set lockout_until = now()`)
	for _, address := range []string{rina, "nobody@example.com"} {
		for range 3 {
			_, err := a.TryPassword(t.Context(), address, limits)
			require.NoError(t, err, "the count begins anew")
		}
		_, err := a.TryPassword(t.Context(), address, limits)
		require.Equal(t, core.RateLimited, core.CodeOf(err))
	}
	require.EqualValues(t, 1, pgtest.Value[int64](t, url, `select count(*) from unknown_logins where length(email_hash) = 32`), "no address is kept")
}

func TestOperators_ForgiveTries(t *testing.T) {
	t.Parallel()
	a, _, _ := operators(t)
	limits := core.DefaultSettings()
	for range 2 {
		var last auth.PasswordTry
		for range limits.CCMaxFailedLogins {
			try, err := a.TryPassword(t.Context(), rina, limits)
			require.NoError(t, err)
			last = try
		}
		require.NoError(t, a.ForgiveTries(t.Context(), last.Operator))
	}
}

func TestAccounts_ASessionThatIsNotUsedEnds(t *testing.T) {
	t.Parallel()
	a, url, _ := accounts(t)
	session := newSession()
	_, err := a.SignUp(t.Context(), session)
	require.NoError(t, err)
	pgtest.Exec(t, url, `update auth_sessions set last_used_at = now() - interval '59 minutes'`)
	won, err := a.Rotate(t.Context(), session.ID, 0, "hash 1", auth.Device{})
	require.NoError(t, err)
	require.True(t, won)
	pgtest.Exec(t, url, `update auth_sessions set last_used_at = last_used_at - interval '60 minutes'`)
	row, err := a.Session(t.Context(), session.ID)
	require.NoError(t, err)
	require.True(t, row.Over)
	won, err = a.Rotate(t.Context(), session.ID, 1, "hash 2", auth.Device{})
	require.NoError(t, err)
	require.False(t, won)
}

func TestAccounts_RevokeAll(t *testing.T) {
	t.Parallel()
	a, _, db := accounts(t)
	var events []core.Event
	db.OnCommit(func(committed []core.Event, _ []core.MitraID) { events = append(events, committed...) })
	first, second, third := newSession(), newSession(), newSession()
	account, err := a.SignIn(t.Context(), core.Customer, byPhone, first)
	require.NoError(t, err)
	for _, session := range []auth.NewSession{second, third} {
		_, err = a.SignIn(t.Context(), core.Customer, byPhone, session)
		require.NoError(t, err)
	}
	revoked, err := a.RevokeAll(t.Context(), account.ID, second.ID, auth.PasswordSet)
	require.NoError(t, err)
	require.ElementsMatch(t, []core.AuthSessionID{first.ID, third.ID}, revoked)
	require.Len(t, events, 1, "one event for all of them")
	revoked, err = a.RevokeAll(t.Context(), account.ID, core.AuthSessionID{}, auth.LoggedOut)
	require.NoError(t, err)
	require.Equal(t, []core.AuthSessionID{second.ID}, revoked)
	revoked, err = a.RevokeAll(t.Context(), account.ID, core.AuthSessionID{}, auth.LoggedOut)
	require.NoError(t, err)
	require.Empty(t, revoked)
	require.Len(t, events, 2)
}
