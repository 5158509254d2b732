package auth_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const email = "rina@example.com"

func TestLogIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.store.operator(t, email)
	tokens, err := b.LogIn(t.Context(), "  Rina@Example.COM ", password, auth.Device{})
	require.NoError(t, err)
	require.Equal(t, b.clock.Now().Add(12*time.Hour), tokens.EndsAt, "a working day")
	for range 2 { // parsed, then remembered
		who, err := b.Verify(tokens.Access)
		require.NoError(t, err)
		require.Equal(t, core.Operator, who.Type)
		require.Equal(t, core.Admin, who.Role)
		require.Equal(t, id, who.Operator())
	}
	next, err := b.RefreshOperator(t.Context(), tokens.Refresh, auth.Device{})
	require.NoError(t, err)
	who, err := b.Verify(next.Access)
	require.NoError(t, err)
	require.Equal(t, core.Admin, who.Role)
	require.EqualValues(t, 1, b.Stats().LogIns)
}

// What is wrong with a log-in is not told: address, password, or both.
func TestLogIn_ErrUnauthenticated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.operator(t, email)
	for name, try := range map[string]struct{ email, password string }{
		"a wrong password":      {email, "Korrekt-Pferd-8"},
		"nobody's address":      {"nobody@example.com", password},
		"of 73 bytes and more":  {email, password + strings.Repeat("x", 73)},
		"emoji":                 {email, strings.Repeat("🐘", 8)},
		"in another case":       {email, strings.ToUpper(password)},
		"an injection":          {"a@b'; drop table mitras; --", password},
		"the dummy hash itself": {"nobody@example.com", "$2a$12$58qhVvdPtVlSM.0mSyOfd.99EQ0qYqAq/KV.fBiLDjFDmmCjNY5Wy"},
	} {
		if strings.Contains(try.email, " ") {
			_, err := b.LogIn(t.Context(), try.email, try.password, auth.Device{})
			requireCode(t, core.BadMessage, err)
			continue
		}
		_, err := b.LogIn(t.Context(), try.email, try.password, auth.Device{})
		requireCode(t, core.Unauthenticated, err)
		require.Equal(t, "UNAUTHENTICATED: wrong email or password", err.Error(), name)
	}
	_, err := b.LogIn(t.Context(), email, "", auth.Device{})
	requireCode(t, core.BadMessage, err)
}

// bcrypt looks at 72 bytes: what begins like the password and goes on is not the password.
func TestLogIn_ErrBeyondWhatBcryptSees(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.store.operator(t, email)
	long := "Ab1" + strings.Repeat("x", 69)
	hash, err := b.HashPassword(t.Context(), long)
	require.NoError(t, err)
	b.store.hashes[email] = hash
	_, err = b.LogIn(t.Context(), email, long+"!", auth.Device{})
	requireCode(t, core.Unauthenticated, err)
	tokens, err := b.LogIn(t.Context(), email, long, auth.Device{})
	require.NoError(t, err)
	require.Equal(t, core.UserID(id), tokens.Account.ID)
}

func TestLogIn_FiftyParallelTriesCompareFivePasswords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.operator(t, email)
	var wrong, locked atomic.Int64
	var tries sync.WaitGroup
	for range 50 {
		tries.Go(func() {
			_, err := b.LogIn(b.ctx(), email, "Wrong-Horse-1", auth.Device{})
			switch core.CodeOf(err) {
			case core.Unauthenticated:
				wrong.Add(1)
			case core.RateLimited:
				locked.Add(1)
			}
		})
	}
	tries.Wait()
	require.EqualValues(t, 5, wrong.Load())
	require.EqualValues(t, 45, locked.Load())
	require.EqualValues(t, 5, b.Stats().LogInsFailed)
	require.EqualValues(t, 45, b.Stats().LockedOut)
}

func TestConfirmPassword(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.store.operator(t, email)
	for range 4 {
		err := b.ConfirmPassword(t.Context(), id, "Wrong-Horse-1")
		requireCode(t, core.Forbidden, err)
	}
	require.NoError(t, b.ConfirmPassword(t.Context(), id, password))
	require.Zero(t, b.store.tries[email], "forgiven")
	for range 5 {
		requireCode(t, core.Forbidden, b.ConfirmPassword(t.Context(), id, "Wrong-Horse-1"))
	}
	requireCode(t, core.RateLimited, b.ConfirmPassword(t.Context(), id, password))
	requireCode(t, core.NotFound, b.ConfirmPassword(t.Context(), core.NewID[core.OperatorID](), password))
}

// Operators' refresh tokens are for the internal address, everybody else's for the public one.
func TestRefresh_ErrTheOtherAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.operator(t, email)
	operator, err := b.LogIn(t.Context(), email, password, auth.Device{})
	require.NoError(t, err)
	customer := b.signedIn(t)
	_, err = b.Refresh(t.Context(), operator.Refresh, auth.Device{})
	requireCode(t, core.Unauthenticated, err)
	_, err = b.RefreshOperator(t.Context(), customer.Refresh, auth.Device{})
	requireCode(t, core.Unauthenticated, err)
	_, err = b.Refresh(t.Context(), customer.Refresh, auth.Device{})
	require.NoError(t, err, "and nothing was taken for theft")
	_, err = b.RefreshOperator(t.Context(), operator.Refresh, auth.Device{})
	require.NoError(t, err)
}

func TestRefreshOperator_ErrEndOfTheDay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.operator(t, email)
	tokens, err := b.LogIn(t.Context(), email, password, auth.Device{})
	require.NoError(t, err)
	for range 11 {
		b.clock.Advance(time.Hour)
		tokens, err = b.RefreshOperator(t.Context(), tokens.Refresh, auth.Device{})
		require.NoError(t, err)
	}
	b.clock.Advance(time.Hour)
	_, err = b.RefreshOperator(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)

	tokens, err = b.LogIn(t.Context(), email, password, auth.Device{})
	require.NoError(t, err)
	b.clock.Advance(2 * time.Hour)
	_, err = b.RefreshOperator(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
}

func TestRevokeAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.operator(t, email)
	first, err := b.LogIn(t.Context(), email, password, auth.Device{})
	require.NoError(t, err)
	second, err := b.LogIn(t.Context(), email, password, auth.Device{})
	require.NoError(t, err)
	other := b.signedIn(t)
	require.NoError(t, b.RevokeAll(t.Context(), first.Account.ID, auth.ByOperator))
	for _, over := range []auth.Tokens{first, second} {
		_, err = b.Verify(over.Access)
		requireCode(t, core.SessionRevoked, err)
		_, err = b.RefreshOperator(t.Context(), over.Refresh, auth.Device{})
		requireCode(t, core.SessionRevoked, err)
	}
	_, err = b.Verify(other.Access)
	require.NoError(t, err)
	b.store.down = true
	requireCode(t, core.Unavailable, b.RevokeAll(t.Context(), first.Account.ID, auth.ByOperator))
}

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"A@B.example": "a@b.example", " a.b+c@d.example\n": "a.b+c@d.example", "": "", "a": "", "@b": "", "a@": "", "a b@c.example": "",
		strings.Repeat("a", 250) + "@b.example": "", `"a"@b.example`: "",
	} {
		address, err := auth.NormalizeEmail(typed)
		require.Equal(t, want, address, typed)
		require.Equal(t, want == "", err != nil, typed)
	}
}
