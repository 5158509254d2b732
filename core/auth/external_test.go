package auth_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func with(kind auth.IdentityKind, subject string) auth.TokenProof {
	return auth.TokenProof{Kind: kind, IDToken: subject, Nonce: "nonce"}
}

func TestSignInWith(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, err := b.SignInWith(t.Context(), with(auth.ByGoogle, "sub"))
	require.NoError(t, err)
	require.Equal(t, "sub@example.com", first.Account.Email)
	second, err := b.SignInWith(t.Context(), with(auth.ByGoogle, "sub"))
	require.NoError(t, err)
	require.Equal(t, first.Account.ID, second.Account.ID)

	anonymous := b.signedIn(t)
	who, err := b.Verify(anonymous.Access)
	require.NoError(t, err)
	proof := with(auth.ByApple, "another")
	proof.Link = &who
	linked, err := b.SignInWith(t.Context(), proof)
	require.NoError(t, err)
	require.Equal(t, anonymous.Account.ID, linked.Account.ID)
	require.Equal(t, anonymous.Refresh, linked.Refresh, "the auth session stays")
	proof.IDToken = "sub"
	_, err = b.SignInWith(t.Context(), proof)
	requireCode(t, core.IdentityInUse, err)
	who.Type = core.Mitra
	_, err = b.SignInWith(t.Context(), proof)
	requireCode(t, core.Forbidden, err)
}

func TestSignInWith_Err(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.SignInWith(t.Context(), auth.TokenProof{Kind: auth.ByGoogle})
	requireCode(t, core.BadMessage, err)
	_, err = b.SignInWith(t.Context(), auth.TokenProof{Kind: auth.ByGoogle, IDToken: strings.Repeat("x", 100<<10)})
	requireCode(t, core.BadMessage, err)
	_, err = b.SignInWith(t.Context(), auth.TokenProof{Kind: auth.ByGoogle, IDToken: "sub", Nonce: "another"})
	requireCode(t, core.Unauthenticated, err)
	alone, err := auth.New(auth.Config{Secret: secretA}, auth.Deps{Clock: b.clock.Now, Settings: core.DefaultSettings})
	require.NoError(t, err)
	for _, kind := range []auth.IdentityKind{auth.ByGoogle, auth.ByApple} {
		_, err = alone.SignInWith(t.Context(), with(kind, "sub"))
		requireCode(t, core.NotFound, err)
	}
}

func TestSignInWith_AppleTokenIsKeptSealed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proof := with(auth.ByApple, "sub")
	proof.Code = "code"
	tokens, err := b.SignInWith(t.Context(), proof)
	require.NoError(t, err)
	token := b.store.apple[core.CustomerID(tokens.Account.ID)]
	require.Equal(t, "app", token.Client)
	require.NotContains(t, string(token.Sealed), "code")

	b.apple.fail(&core.Error{Code: core.Unauthenticated, Field: "authorization_code"})
	_, err = b.SignInWith(t.Context(), proof)
	requireCode(t, core.Unauthenticated, err)
	b.apple.fail(core.Errorf(core.Unavailable, "slow"))
	_, err = b.SignInWith(t.Context(), proof)
	require.NoError(t, err, "nobody is kept out because Apple's other route is out")
	b.apple.fail(core.Errorf(core.NotFound, "no key"))
	_, err = b.SignInWith(t.Context(), proof)
	require.NoError(t, err)
	require.EqualValues(t, 2, b.Stats().AppleFailed)
	require.Equal(t, token, b.store.apple[core.CustomerID(tokens.Account.ID)], "what was kept stays")
}

func TestDeleteAccount_AppleIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	proof := with(auth.ByApple, "sub")
	proof.Code = "code"
	tokens, err := b.SignInWith(t.Context(), proof)
	require.NoError(t, err)
	who, err := b.Verify(tokens.Access)
	require.NoError(t, err)
	require.NoError(t, b.DeleteAccount(t.Context(), who))
	require.Equal(t, "app: app code sub", <-b.apple.revoked)
	require.Equal(t, who.Customer(), <-b.store.forgotten)
	_, err = b.Verify(tokens.Access)
	requireCode(t, core.SessionRevoked, err)
	_, err = b.Refresh(t.Context(), tokens.Refresh, auth.Device{})
	requireCode(t, core.SessionRevoked, err)
	require.NoError(t, b.DeleteAccount(t.Context(), who), "once more changes nothing")
}

// Apple does not answer: it is asked every minute, until it is given up.
func TestDeleteAccount_AppleIsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		proof := with(auth.ByApple, "sub")
		proof.Code = "code"
		tokens, err := b.SignInWith(t.Context(), proof)
		require.NoError(t, err)
		b.run(t)
		synctest.Wait()
		b.apple.fail(errors.New("out"))
		who, err := b.Verify(tokens.Access)
		require.NoError(t, err)
		require.NoError(t, b.DeleteAccount(t.Context(), who))
		began := time.Now()
		for range 24 {
			<-b.apple.revoked
		}
		require.Equal(t, who.Customer(), <-b.store.forgotten, "given up")
		require.Equal(t, 23*time.Minute, time.Since(began), "a minute apart, as the store has them due")
		require.Empty(t, b.store.apple)
	})
}

// A rotation of the secret: what the previous one sealed is sealed anew, so that it can go.
func TestSealedTokens_SurviveARotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proof := with(auth.ByApple, "sub")
	proof.Code = "code"
	tokens, err := b.SignInWith(t.Context(), proof)
	require.NoError(t, err)
	id := core.CustomerID(tokens.Account.ID)

	during := *b
	during.Service = b.with(t, auth.Config{Secret: secretB, PreviousSecret: secretA})
	t.Run("during", func(t *testing.T) {
		during.run(t)
		require.Equal(t, id, <-b.store.resealed)
	})
	after := *b
	after.Service = b.with(t, auth.Config{Secret: secretC, PreviousSecret: secretB})
	after.run(t)
	require.Equal(t, id, <-b.store.resealed)
	_, err = b.store.Delete(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, after.DeleteAccount(t.Context(), core.Principal{Type: core.Customer, ID: core.UserID(id)}))
	require.Equal(t, "app: app code sub", <-b.apple.revoked)
}

func TestSealedTokens_GivenUpWhenTheirKeyIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proof := with(auth.ByApple, "sub")
	proof.Code = "code"
	tokens, err := b.SignInWith(t.Context(), proof)
	require.NoError(t, err)
	later := *b
	later.Service = b.with(t, auth.Config{Secret: secretC})
	_, err = b.store.Delete(t.Context(), core.CustomerID(tokens.Account.ID))
	require.NoError(t, err)
	later.run(t)
	require.Equal(t, core.CustomerID(tokens.Account.ID), <-b.store.forgotten)
	require.Empty(t, b.apple.revoked)
}

func TestRename(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who, err := b.Verify(b.signedIn(t).Access)
	require.NoError(t, err)
	account, err := b.Rename(t.Context(), who, "  Budi 🐘 ")
	require.NoError(t, err)
	require.Equal(t, "Budi 🐘", account.DisplayName)
	_, err = b.Rename(t.Context(), who, "")
	require.NoError(t, err)
	for _, bad := range []string{strings.Repeat("x", 81), "a\nb", "a\x00b", "a\u202eb"} {
		_, err = b.Rename(t.Context(), who, bad)
		requireCode(t, core.BadMessage, err)
	}
	export, err := b.Export(t.Context(), who)
	require.NoError(t, err)
	require.Equal(t, who.ID, export.Account.ID)
}

func TestLogoutAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, err := b.SignInWith(t.Context(), with(auth.ByGoogle, "sub"))
	require.NoError(t, err)
	second, err := b.SignInWith(t.Context(), with(auth.ByGoogle, "sub"))
	require.NoError(t, err)
	who, err := b.Verify(first.Access)
	require.NoError(t, err)
	require.NoError(t, b.LogoutAll(t.Context(), who))
	for _, tokens := range []auth.Tokens{first, second} {
		_, err = b.Verify(tokens.Access)
		requireCode(t, core.SessionRevoked, err)
	}
}

func TestCode_ErrTheProvidersOwnLimits(t *testing.T) {
	t.Parallel()
	for _, code := range []core.Code{core.RateLimited, core.AttemptsExceeded, core.BadMessage} {
		b := setup(t)
		b.phones.err = &core.Error{Code: code, RetryAfter: time.Hour}
		_, err := b.RequestCode(t.Context(), core.Customer, "081234567890", auth.Device{})
		requireCode(t, code, err)
	}
}
