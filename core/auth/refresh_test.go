package auth_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func (b *bench) signedIn(t require.TestingT) auth.Tokens {
	tokens, err := b.SignInAnonymous(b.ctx(), auth.Device{})
	require.NoError(t, err)
	return tokens
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	second, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)
	require.NotEqual(t, first.Refresh, second.Refresh)
	require.Equal(t, first.Refresh[:36], second.Refresh[:36], "the auth session stays")
	require.Equal(t, first.Account.ID, second.Account.ID)
	_, err = b.Verify(second.Access)
	require.NoError(t, err)
}

func TestRefresh_TheParentGetsTheSameSuccessorForTenSeconds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	second, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)
	b.clock.Advance(10 * time.Second)
	again, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)
	require.Equal(t, second.Refresh, again.Refresh)
	require.EqualValues(t, 1, b.Stats().RefreshReplays)

	b.clock.Advance(time.Millisecond)
	_, err = b.Refresh(t.Context(), first.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
	requireRevoked(t, b, first, second)
}

func requireRevoked(t require.TestingT, b *bench, family ...auth.Tokens) {
	for _, member := range family {
		_, err := b.Verify(member.Access)
		require.Equal(t, core.SessionRevoked, core.CodeOf(err), "the access token is refused at once")
		_, err = b.Refresh(b.ctx(), member.Refresh, auth.Device{})
		require.Equal(t, core.SessionRevoked, core.CodeOf(err))
	}
}

func TestRefresh_AnythingOlderIsTheft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	second, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)
	third, err := b.Refresh(t.Context(), second.Refresh, auth.Device{})
	require.NoError(t, err)
	_, err = b.Refresh(t.Context(), first.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
	requireRevoked(t, b, first, second, third)
	require.Equal(t, auth.Theft, b.store.rows[sessionOf(t, first)].why)
	require.EqualValues(t, 1, b.Stats().Thefts)
}

func sessionOf(t require.TestingT, tokens auth.Tokens) core.AuthSessionID {
	id, err := core.ParseID[core.AuthSessionID](tokens.Refresh[:36])
	require.NoError(t, err)
	return id
}

func TestRefresh_OneHundredAtOnceGetOneSuccessor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	instances := []*auth.Service{b.Service, b.with(t, auth.Config{Secret: secretA})}
	first := b.signedIn(t)
	answers := make([]auth.Tokens, 100)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			var err error
			answers[i], err = instances[i%2].Refresh(t.Context(), first.Refresh, auth.Device{})
			require.NoError(t, err)
		})
	}
	all.Wait()
	for _, answer := range answers {
		require.Equal(t, answers[0].Refresh, answer.Refresh)
	}
	require.EqualValues(t, 1, instances[0].Stats().Refreshes+instances[1].Stats().Refreshes)
	require.EqualValues(t, 1, b.store.rows[sessionOf(t, first)].Generation)
}

func TestRefresh_AClientThatLeavesSpoilsItForNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	reached, goOn := make(chan struct{}), make(chan struct{})
	b.store.raced = func() { close(reached); <-goOn }
	leaver, leave := context.WithCancel(t.Context())
	answers := make(chan auth.Tokens, 1)
	go func() {
		tokens, err := b.Refresh(leaver, first.Refresh, auth.Device{})
		require.NoError(t, err)
		answers <- tokens
	}()
	<-reached
	_, err := b.Refresh(b.ended(), first.Refresh, auth.Device{})
	requireCode(t, core.Unavailable, err) // waited for the other one, in vain
	leave()
	close(goOn)
	second := <-answers
	again, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)
	require.Equal(t, second.Refresh, again.Refresh)
}

func TestRefresh_ARaceWithLogoutIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	b.store.raced = func() { require.NoError(t, b.LogoutByRefresh(t.Context(), first.Refresh)) }
	_, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
}

func TestRefresh_ErrAbsoluteExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	for range 29 {
		b.clock.Advance(24 * time.Hour)
		next, err := b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
		require.NoError(t, err)
		tokens = next
	}
	b.clock.Advance(24 * time.Hour)
	_, err := b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
}

func TestRefresh_ErrIdleForTooLong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	b.clock.Advance(14*24*time.Hour - time.Second)
	tokens, err := b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	require.NoError(t, err, "each refresh begins the time anew")
	b.clock.Advance(14 * 24 * time.Hour)
	_, err = b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
}

func TestRefresh_ErrAccountInactive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	account := b.store.accounts[tokens.Account.ID]
	account.Active = false
	b.store.accounts[account.ID] = account
	_, err := b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.AccountInactive, err)
}

func TestRefresh_ErrUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	b.store.down = true
	_, err := b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.Unavailable, err)
	b.store.down = false
	_, err = b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	require.NoError(t, err, "nothing was spent")
}

func TestRefresh_ErrUnauthenticated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	other := b.signedIn(t)
	id, secret := tokens.Refresh[:36], tokens.Refresh[37:]
	flipped := "A" + secret[1:]
	if flipped == secret {
		flipped = "B" + secret[1:]
	}
	for name, token := range map[string]string{
		"empty":                  "",
		"an access token":        tokens.Access,
		"a megabyte":             strings.Repeat("x", 1<<20),
		"no such session":        core.NewID[core.AuthSessionID]().String() + "." + secret,
		"another's secret":       id + "." + other.Refresh[37:],
		"a wrong secret":         id + "." + flipped,
		"no secret":              id + ".",
		"no dot":                 id + "x" + secret,
		"secret in plain base64": id + "." + strings.Repeat("/", 43),
		"loose last bits":        id + "." + strings.Repeat("A", 42) + "B",
		"a NUL":                  id + "." + secret[:42] + "\x00",
		"no id":                  strings.Repeat("x", 36) + "." + secret,
	} {
		_, err := b.Refresh(t.Context(), token, auth.Device{})
		require.Equal(t, core.Unauthenticated, core.CodeOf(err), name)
		require.Equal(t, core.Unauthenticated, core.CodeOf(b.LogoutByRefresh(t.Context(), token)), name)
	}
	_, err := b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	require.NoError(t, err, "strangers' secrets end nothing")
}

func TestRefresh_SecretRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	b.clock.Advance(time.Minute)

	after := b.with(t, auth.Config{Secret: secretB}) // the old key is gone altogether
	second, err := after.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err, "the hash needs no key")

	_, err = b.Refresh(t.Context(), first.Refresh, auth.Device{})
	requireCode(t, core.Unavailable, err) // an instance of the old build cannot repeat the new key's successor, and takes nobody for a thief

	during := b.with(t, auth.Config{Secret: secretC, PreviousSecret: secretB})
	third, err := during.Refresh(t.Context(), second.Refresh, auth.Device{})
	require.NoError(t, err)
	again, err := during.Refresh(t.Context(), second.Refresh, auth.Device{})
	require.NoError(t, err)
	require.Equal(t, third.Refresh, again.Refresh)
}

func TestLogout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.signedIn(t)
	who, err := b.Verify(tokens.Access)
	require.NoError(t, err)
	require.NoError(t, b.Logout(t.Context(), who))
	require.NoError(t, b.Logout(t.Context(), who), "twice is once")
	requireRevoked(t, b, tokens)
	require.Equal(t, auth.LoggedOut, b.store.rows[who.Session].why)
}

func TestLogoutByRefresh_TakesOlderOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.signedIn(t)
	second, err := b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)
	b.clock.Advance(time.Hour)
	require.NoError(t, b.LogoutByRefresh(t.Context(), first.Refresh))
	_, err = b.Refresh(t.Context(), second.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
}

// TestRefresh_Family holds a family of tokens against the state machine of the package comment, whatever is presented when.
func TestRefresh_Family(t *testing.T) {
	t.Parallel()
	type step struct {
		wait   time.Duration
		back   int // generations
		logout bool
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			wait:   time.Duration(rapid.SampledFrom([]int{0, 1, 4000, 9999, 10_001, 3_600_000}).Draw(t, "ms")) * time.Millisecond,
			back:   rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3}).Draw(t, "generations back"),
			logout: rapid.IntRange(0, 20).Draw(t, "log out") == 20,
		}
	}), 1, 8)
	rapid.Check(t, func(rt *rapid.T) {
		b := setup(t)
		family := []auth.Tokens{b.signedIn(rt)}
		var rotated time.Time
		over := false
		for _, step := range steps.Draw(rt, "steps") {
			b.clock.Advance(step.wait)
			latest := family[len(family)-1]
			if step.logout {
				require.NoError(rt, b.LogoutByRefresh(b.ctx(), latest.Refresh))
				over = true
			}
			back := min(step.back, len(family)-1)
			got, err := b.Refresh(b.ctx(), family[len(family)-1-back].Refresh, auth.Device{})
			switch {
			case over:
				require.Equal(rt, core.SessionRevoked, core.CodeOf(err))
			case back == 0:
				require.NoError(rt, err)
				for _, member := range family {
					require.NotEqual(rt, member.Refresh, got.Refresh)
				}
				family, rotated = append(family, got), b.clock.Now()
			case back == 1 && b.clock.Now().Sub(rotated) <= 10*time.Second:
				require.NoError(rt, err)
				require.Equal(rt, latest.Refresh, got.Refresh)
			default:
				require.Equal(rt, core.SessionRevoked, core.CodeOf(err))
				over = true
			}
			_, err = b.Verify(family[len(family)-1].Access)
			require.Equal(rt, over, core.CodeOf(err) == core.SessionRevoked || (over && core.CodeOf(err) == core.TokenExpired))
		}
	})
}
