package auth_test

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const phone = "+6281234567890"

// asked asks for a code and gives it with its ticket.
func (b *bench) asked(t *testing.T, app core.UserType) (auth.CodeTicket, string) {
	t.Helper()
	ticket, err := b.RequestCode(t.Context(), app, phone, auth.Device{})
	require.NoError(t, err)
	got := <-b.phones.codes
	require.Equal(t, sent{app, phone, got.code}, got)
	require.Regexp(t, `^[0-9]{6}$`, got.code)
	return ticket, got.code
}

// wrong is a code that is not the given one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestCode_SignsACustomerIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, code := b.asked(t, core.Customer)
	require.Equal(t, time.Minute, ticket.ResendAfter)
	require.Equal(t, 5*time.Minute, ticket.ExpiresIn)
	first, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
	require.NoError(t, err)
	require.Equal(t, phone, first.Account.Phone)
	_, err = b.Refresh(t.Context(), first.Refresh, auth.Device{})
	require.NoError(t, err)

	ticket, code = b.asked(t, core.Customer)
	second, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
	require.NoError(t, err)
	require.Equal(t, first.Account.ID, second.Account.ID, "the account that holds the phone")
	require.NotEqual(t, first.Refresh[:36], second.Refresh[:36], "another device")
}

func TestCode_MitraKnownAndUnknownAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unknown, err := b.RequestCode(t.Context(), core.Mitra, phone, auth.Device{})
	require.NoError(t, err)
	_, err = b.SeedMitra(t.Context(), phone, "Sri", auth.Device{})
	require.NoError(t, err)
	known, err := b.RequestCode(t.Context(), core.Mitra, phone, auth.Device{})
	require.NoError(t, err)
	require.Equal(t, unknown.ExpiresIn, known.ExpiresIn)
	require.Equal(t, unknown.ResendAfter, known.ResendAfter)
	require.Empty(t, b.phones.codes, "nothing leaves before the answer")

	b.run(t)
	got := <-b.phones.codes
	require.Equal(t, core.Mitra, got.app)
	tokens, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Mitra, Request: known.ID, Code: got.code})
	require.NoError(t, err)
	require.Equal(t, core.Mitra, tokens.Account.Type)
	require.EqualValues(t, 1, b.Stats().CodesSent, "and to the unknown phone nothing at all")
	for _, guess := range []string{got.code, "000000"} {
		_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Mitra, Request: unknown.ID, Code: guess})
		requireCode(t, core.CodeMismatch, err)
	}
}

func TestCode_WhatIsQueuedLeavesWhenTheServiceStops(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.SeedMitra(t.Context(), phone, "Sri", auth.Device{})
	require.NoError(t, err)
	for range 20 {
		_, err := b.RequestCode(t.Context(), core.Mitra, phone, auth.Device{})
		require.NoError(t, err)
	}
	require.NoError(t, b.Run(b.ended(), nil))
	require.Len(t, b.phones.codes, 20)
}

func TestCode_ErrOverloaded(t *testing.T) {
	t.Parallel()
	b := setup(t) // nobody sends
	var err error
	for range 300 {
		if _, err = b.RequestCode(t.Context(), core.Mitra, phone, auth.Device{}); err != nil {
			break
		}
	}
	requireCode(t, core.Overloaded, err) // for a phone that is nobody's, too
}

func TestCode_ErrMismatchThenExceeded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, code := b.asked(t, core.Customer)
	for left := 4; left >= 0; left-- {
		_, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: wrong(code)})
		requireCode(t, core.CodeMismatch, err)
		var coded *core.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, left, coded.AttemptsLeft)
	}
	_, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
	requireCode(t, core.AttemptsExceeded, err)
}

func TestCode_ParallelUsesSignInOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, code := b.asked(t, core.Customer)
	var in atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
			if err == nil {
				in.Add(1)
				return
			}
			require.Equal(t, core.OTPUsed, core.CodeOf(err))
		})
	}
	all.Wait()
	require.EqualValues(t, 1, in.Load())
}

func TestCode_ErrShape(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, _ := b.asked(t, core.Customer)
	for _, code := range []string{"", "12345", "1234567", "12345a", "１２３４５６", "-12345", "12 345", "12345\x00"} {
		_, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
		requireCode(t, core.BadMessage, err)
	}
	require.Zero(t, b.store.codes[ticket.ID].attempts, "what cannot be a code costs no attempt")
}

func TestCode_ErrWrongFlow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, code := b.asked(t, core.Customer)
	_, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Mitra, Request: ticket.ID, Code: wrong(code)})
	requireCode(t, core.CodeMismatch, err)
	_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Mitra, Request: ticket.ID, Code: code})
	requireCode(t, core.WrongFlow, err)
	_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
	require.NoError(t, err, "still good where it belongs")
}

func TestCode_ErrAccountInactive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mitra, err := b.SeedMitra(t.Context(), phone, "Sri", auth.Device{})
	require.NoError(t, err)
	b.run(t)
	ticket, code := b.asked(t, core.Mitra)
	account := b.store.accounts[mitra.Account.ID]
	account.Active = false
	b.store.accounts[account.ID] = account
	_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Mitra, Request: ticket.ID, Code: wrong(code)})
	requireCode(t, core.CodeMismatch, err) // who has no code learns nothing
	_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Mitra, Request: ticket.ID, Code: code})
	requireCode(t, core.AccountInactive, err)
}

func TestCode_ErrProviderOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.phones.err = errors.New("the vendor is out")
	_, err := b.RequestCode(t.Context(), core.Customer, phone, auth.Device{})
	requireCode(t, core.Unavailable, err)
	var coded *core.Error
	require.ErrorAs(t, err, &coded)
	require.Equal(t, time.Minute, coded.RetryAfter)
	require.EqualValues(t, 1, b.Stats().CodesFailed)

	_, err = b.SeedMitra(t.Context(), phone, "Sri", auth.Device{})
	require.NoError(t, err)
	_, err = b.RequestCode(t.Context(), core.Mitra, phone, auth.Device{})
	require.NoError(t, err)
	require.NoError(t, b.Run(b.ended(), nil))
	require.EqualValues(t, 2, b.Stats().CodesFailed)
}

func TestCode_LinksAnAnonymousCustomer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	anonymous := b.signedIn(t)
	who, err := b.Verify(anonymous.Access)
	require.NoError(t, err)
	ticket, code := b.asked(t, core.Customer)
	linked, err := b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code, Link: &who})
	require.NoError(t, err)
	require.Equal(t, anonymous.Account.ID, linked.Account.ID)
	require.Equal(t, phone, linked.Account.Phone)
	require.False(t, linked.Account.Anonymous)
	require.Equal(t, anonymous.Refresh, linked.Refresh, "the auth session is kept, and so is its token: a lost answer costs nothing")

	other := b.signedIn(t)
	who, err = b.Verify(other.Access)
	require.NoError(t, err)
	ticket, code = b.asked(t, core.Customer)
	_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code, Link: &who})
	requireCode(t, core.IdentityInUse, err)
}

func TestCode_LinkWhenTheKeyOfTheSessionIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	anonymous := b.signedIn(t)
	who, err := b.Verify(anonymous.Access)
	require.NoError(t, err)
	after := b.with(t, auth.Config{Secret: secretB})
	ticket, err := after.RequestCode(t.Context(), core.Customer, phone, auth.Device{})
	require.NoError(t, err)
	linked, err := after.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: (<-b.phones.codes).code, Link: &who})
	require.NoError(t, err)
	require.NotEqual(t, anonymous.Refresh, linked.Refresh)
	_, err = after.Refresh(t.Context(), linked.Refresh, auth.Device{})
	require.NoError(t, err)
}

func TestCode_LinkErrSessionOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	anonymous := b.signedIn(t)
	who, err := b.Verify(anonymous.Access)
	require.NoError(t, err)
	ticket, code := b.asked(t, core.Customer)
	require.NoError(t, b.Logout(t.Context(), who))
	_, err = b.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code, Link: &who})
	requireCode(t, core.SessionRevoked, err)
}

func TestCode_ErrLinkForbidden(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, code := b.asked(t, core.Customer)
	for _, proof := range []auth.CodeProof{
		{App: core.Customer, Link: &core.Principal{Type: core.Mitra}},
		{App: core.Mitra, Link: &core.Principal{Type: core.Customer}},
	} {
		proof.Request, proof.Code = ticket.ID, code
		_, err := b.VerifyCode(t.Context(), proof)
		requireCode(t, core.Forbidden, err)
	}
}

func TestCode_SurvivesARotationOfTheSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket, code := b.asked(t, core.Customer)
	during := b.with(t, auth.Config{Secret: secretB, PreviousSecret: secretA})
	_, err := during.VerifyCode(t.Context(), auth.CodeProof{App: core.Customer, Request: ticket.ID, Code: code})
	require.NoError(t, err)
}

func TestCode_OriginIsAHousehold(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "::ffff:203.0.113.9": "203.0.113.9",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		b := setup(t)
		_, err := b.RequestCode(t.Context(), core.Customer, phone, auth.Device{IP: netip.MustParseAddr(from)})
		require.NoError(t, err)
		for _, code := range b.store.codes {
			require.Equal(t, netip.MustParseAddr(want), code.Origin)
			require.NotContains(t, string(code.MAC), (<-b.phones.codes).code)
		}
	}
}
