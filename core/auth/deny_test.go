package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// ctx is for places that have no *testing.T.
func (b *bench) ctx() context.Context { return context.Background() }

// ended is a context that is over already.
func (b *bench) ended() context.Context {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	return ctx
}

func TestDeny_ByEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	other := b.with(t, auth.Config{Secret: secretA})
	_, err := other.Verify(tokens.Access)
	require.NoError(t, err)
	other.Deny(auth.Revoked{Sessions: []core.AuthSessionID{sessionOf(t, tokens)}, Reason: auth.Deactivated})
	_, err = other.Verify(tokens.Access)
	requireCode(t, core.SessionRevoked, err) // though it is remembered as verified
	require.EqualValues(t, 1, other.Stats().DeniedSessions)
}

func TestDeny_LoadedFromTheStore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	out, in := b.signedIn(t), b.signedIn(t)
	require.NoError(t, b.LogoutByRefresh(t.Context(), out.Refresh))

	other := b.with(t, auth.Config{Secret: secretA})
	require.NoError(t, other.LoadDenied(t.Context()))
	_, err := other.Verify(out.Access)
	requireCode(t, core.SessionRevoked, err)
	_, err = other.Verify(in.Access)
	require.NoError(t, err)

	b.clock.Advance(30 * time.Second)
	require.NoError(t, other.LoadDenied(t.Context()))
	require.Equal(t, []time.Duration{time.Hour + time.Minute, 90 * time.Second}, b.store.asked, "first all that may matter, then what is new")

	b.clock.Advance(time.Hour + time.Minute)
	require.NoError(t, other.LoadDenied(t.Context()))
	require.Zero(t, other.Stats().DeniedSessions, "no access token of it is left")
	_, err = other.Verify(out.Access)
	requireCode(t, core.TokenExpired, err)
}

// sockets is the users whose sockets were closed. It belongs to the goroutine of Run.
type sockets []core.UserID

func (s *sockets) SignedOut(user core.UserID, _ auth.Revoked) { *s = append(*s, user) }

func TestRun_FollowsTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		tokens := b.signedIn(t)
		other := b.with(t, auth.Config{Secret: secretA})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var closed sockets
		go func() { done <- other.Run(ctx, &closed) }()
		synctest.Wait()

		require.NoError(t, b.LogoutByRefresh(t.Context(), tokens.Refresh))
		_, err := other.Verify(tokens.Access)
		require.NoError(t, err, "nobody told it yet")
		<-time.After(30 * time.Second) // the bubble's time
		synctest.Wait()
		_, err = other.Verify(tokens.Access)
		requireCode(t, core.SessionRevoked, err)
		require.Equal(t, sockets{tokens.Account.ID}, closed, "its sockets, too")
		<-time.After(30 * time.Second)
		synctest.Wait()
		require.Len(t, closed, 1, "once")

		b.store.mu.Lock()
		b.store.down = true
		b.store.mu.Unlock()
		<-time.After(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 2, other.Stats().DenyLoadsFailed)
		_, err = other.Verify(tokens.Access)
		requireCode(t, core.SessionRevoked, err) // what is in memory stays

		stop()
		require.NoError(t, <-done)
	})
}

func TestIssueFor_ErrAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, count := range []int{0, -1, 1_000_001} {
		_, err := b.IssueFor(t.Context(), core.Customer, count)
		requireCode(t, core.BadMessage, err)
	}
	_, err := b.IssueFor(t.Context(), core.Operator, 1)
	requireCode(t, core.BadMessage, err)
	for _, name := range []string{"", string(make([]rune, 81))} {
		_, err = b.SeedMitra(t.Context(), phone, name, auth.Device{})
		requireCode(t, core.BadMessage, err)
	}
	_, err = b.SeedMitra(t.Context(), "1", "Sri", auth.Device{})
	requireCode(t, core.BadMessage, err)

	off, err := auth.New(auth.Config{Secret: secretA}, auth.Deps{Clock: core.SystemClock})
	require.NoError(t, err)
	_, err = off.IssueFor(t.Context(), core.Customer, 1)
	requireCode(t, core.NotFound, err)
	_, err = off.SeedMitra(t.Context(), phone, "Sri", auth.Device{})
	requireCode(t, core.NotFound, err)
}

func TestMe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	who, err := b.Verify(tokens.Access)
	require.NoError(t, err)
	account, err := b.Me(t.Context(), who)
	require.NoError(t, err)
	require.Equal(t, tokens.Account, account)
}
