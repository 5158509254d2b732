package payment

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

var (
	away       = core.Wrap(core.PaymentUnavailable, errors.New("refused"))
	busy       = &core.Error{Code: core.PaymentUnavailable, RetryAfter: 90 * time.Second}
	errRefused = fmt.Errorf("%w: no", ErrRefused)
	unknown    = core.Errorf(core.NotFound, "no such session")
	gone       = core.Wrap(core.Unavailable, errors.New("postgres is away"))
)

func TestMay(t *testing.T) {
	t.Parallel()
	for _, from := range []Status{Opening, Open, Expired, Cancelled, Failed} {
		require.True(t, May(from, Paid), "money counts, whatever was thought of it: %s", from)
	}
	require.True(t, May(Paid, Refunded))
	require.False(t, May(Paid, Cancelled))
	require.False(t, May(Refunded, Paid))
	require.False(t, May(Expired, Open))
}

func payment(status Status) Payment {
	p := Payment{ID: core.NewID[core.PaymentID](), Status: status, Amount: 25_000, Attempts: 1}
	if status != Opening {
		p.Provider, p.ProviderID = "fake", "ps-1"
	}
	return p
}

// Each step with everything that the vendor may say.
func TestWork(t *testing.T) {
	t.Parallel()
	extension := payment(Open)
	extension.ExtensionID, extension.Overdue = core.NewID[core.ExtensionID](), true
	foreign, foreignClosed := payment(Open), payment(Expired)
	foreign.Provider, foreignClosed.Provider = "another", "another"
	unheard := payment(Cancelled)
	unheard.ProviderID = ""
	active, done := Checkout{ID: "ps-1", State: Active}, Checkout{ID: "ps-1", State: Completed, Amount: 25_000, Currency: Currency}
	for name, c := range map[string]struct {
		p    Payment
		says Checkout
		err  error
		want func(t *testing.T, b *books, v *vendor)
	}{
		"opening": {payment(Opening), active, nil, func(t *testing.T, b *books, _ *vendor) { require.Len(t, b.opened, 1) }},
		"opening, away": {payment(Opening), active, away, func(t *testing.T, b *books, _ *vendor) {
			require.Equal(t, []time.Duration{backoffFirst}, b.postponed)
			require.NotEmpty(t, b.failures[0])
		}},
		"opening, busy": {payment(Opening), active, busy, func(t *testing.T, b *books, _ *vendor) {
			require.Equal(t, []time.Duration{90 * time.Second}, b.postponed)
		}},
		"opening, refused": {payment(Opening), active, errRefused, func(t *testing.T, b *books, _ *vendor) { require.Equal(t, []Status{Failed}, b.lapsed) }},
		"open":             {payment(Open), active, nil, func(t *testing.T, b *books, _ *vendor) { require.Equal(t, []time.Duration{pollEvery}, b.postponed) }},
		"open, paid":       {payment(Open), done, nil, func(t *testing.T, b *books, _ *vendor) { require.Len(t, b.settled, 1) }},
		"open, expired": {payment(Open), Checkout{ID: "ps-1", State: SessionExpired}, nil, func(t *testing.T, b *books, _ *vendor) {
			require.Equal(t, []Status{Expired}, b.lapsed)
		}},
		"open, unknown there": {payment(Open), active, unknown, func(t *testing.T, b *books, _ *vendor) { require.Equal(t, []Status{Failed}, b.lapsed) }},
		"open, away":          {payment(Open), active, away, func(t *testing.T, b *books, _ *vendor) { require.Len(t, b.postponed, 1) }},
		"open, another's": {payment(Open), Checkout{ID: "ps-1", State: Completed, Reference: core.NewID[core.PaymentID]()}, nil, func(t *testing.T, b *books, _ *vendor) {
			require.Empty(t, b.settled)
			require.Len(t, b.postponed, 1)
		}},
		"closed": {payment(Expired), Checkout{ID: "ps-1", State: SessionCanceled}, nil, func(t *testing.T, b *books, v *vendor) {
			require.Equal(t, []string{"cancel ps-1"}, v.calls)
			require.Equal(t, 1, b.rested)
		}},
		"closed, paid before": {payment(Cancelled), done, nil, func(t *testing.T, b *books, _ *vendor) {
			require.Len(t, b.settled, 1)
			require.Equal(t, 1, b.rested)
		}},
		"closed, still active":    {payment(Failed), active, nil, func(t *testing.T, b *books, _ *vendor) { require.Len(t, b.postponed, 1) }},
		"closed, away":            {payment(Expired), active, away, func(t *testing.T, b *books, _ *vendor) { require.Len(t, b.postponed, 1) }},
		"closed, unknown there":   {payment(Expired), active, unknown, func(t *testing.T, b *books, _ *vendor) { require.Equal(t, 1, b.rested) }},
		"closed, refused":         {payment(Expired), active, errRefused, func(t *testing.T, b *books, _ *vendor) { require.Equal(t, 1, b.rested) }},
		"closed, never opened":    {unheard, active, nil, func(t *testing.T, b *books, v *vendor) { require.Equal(t, 1, b.rested); require.Empty(t, v.calls) }},
		"paid by another session": {payment(Paid), Checkout{ID: "ps-1", State: SessionCanceled}, nil, func(t *testing.T, b *books, _ *vendor) { require.Equal(t, 1, b.rested) }},
		"an extension is overdue": {extension, active, nil, func(t *testing.T, b *books, v *vendor) {
			require.Equal(t, []Status{Expired}, b.lapsed)
			require.Empty(t, v.calls)
		}},
		"of another vendor": {foreign, active, nil, func(t *testing.T, b *books, v *vendor) {
			require.Equal(t, []Status{Failed}, b.lapsed)
			require.Empty(t, v.calls)
		}},
		"of another vendor, ended": {foreignClosed, active, nil, func(t *testing.T, b *books, v *vendor) { require.Equal(t, 1, b.rested); require.Empty(t, v.calls) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, v := room()
			v.says, v.err, b.outcome = c.says, c.err, Started
			_ = s.work(t.Context(), c.p)
			c.want(t, b, v)
		})
	}
}

func TestWork_AMismatchIsNotLookedAtAllTheTime(t *testing.T) {
	t.Parallel()
	s, b, v := room()
	v.says, b.outcome = Checkout{ID: "ps-1", State: Completed}, Mismatch
	require.NoError(t, s.work(t.Context(), payment(Open)))
	require.Equal(t, []time.Duration{10 * backoffMost}, b.postponed)
	require.EqualValues(t, 1, s.Stats().Alarms)
}

func TestPauseAfter(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: backoffMost, 1000: backoffMost} {
		require.Equal(t, want, pauseAfter(attempts, away), attempts)
	}
	require.Equal(t, 90*time.Second, pauseAfter(1, busy))
	require.Equal(t, obeyed, pauseAfter(1, &core.Error{Code: core.PaymentUnavailable, RetryAfter: time.Hour}))
}

func TestInvoice(t *testing.T) {
	t.Parallel()
	session, customer := core.NewID[core.SessionID](), core.NewID[core.CustomerID]()
	s, b, v := room()
	b.invoice = payment(Open)
	got, err := s.Invoice(t.Context(), session, customer)
	require.NoError(t, err)
	require.Equal(t, b.invoice, got)
	require.Empty(t, v.calls, "it is open already")

	b.invoice = payment(Opening)
	got, err = s.Invoice(t.Context(), session, customer)
	require.NoError(t, err, "another is opening it just now")
	require.Equal(t, b.invoice, got)
	b.invoice.Failure = "refused"
	_, err = s.Invoice(t.Context(), session, customer)
	require.Equal(t, core.PaymentUnavailable, core.CodeOf(err), "it could not be opened, and nobody tries just now")
	require.Empty(t, v.calls)

	b.invoice, b.claimed = payment(Opening), true
	v.says = Checkout{ID: "ps-1", State: Active, URL: "https://"}
	got, err = s.Invoice(t.Context(), session, customer)
	require.NoError(t, err)
	require.Equal(t, "https://", got.CheckoutURL)

	b.unshown = true
	got, err = s.Invoice(t.Context(), session, customer)
	require.NoError(t, err)
	require.Equal(t, b.invoice, got, "closed meanwhile")
	require.Equal(t, "cancel ps-1", v.calls[len(v.calls)-1], "and nobody sees what was opened")
	require.EqualValues(t, 1, s.Stats().Surplus)
	for _, err := range []error{away, errRefused} {
		v.err = err
		_, err = s.Invoice(t.Context(), session, customer)
		require.Equal(t, core.PaymentUnavailable, core.CodeOf(err))
	}
	b.err = gone
	_, err = s.Invoice(t.Context(), session, customer)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	_, err = s.Payment(t.Context(), b.invoice.ID, customer)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	reference, refund := core.NewID[core.PaymentID](), core.NewID[core.RefundID]()
	paid := Notice{Event: "x\x00y", Named: "r", Checkout: Checkout{ID: "ps-1", Reference: reference, State: Completed}}
	for name, c := range map[string]struct {
		notice  Notice
		bad     error
		settles Outcome
		want    Outcome
		check   func(t *testing.T, b *books)
	}{
		"money":           {paid, nil, Started, Started, func(t *testing.T, b *books) { require.Empty(t, b.handled, "Settle writes the outcome") }},
		"late money":      {paid, nil, Credited, Credited, func(t *testing.T, b *books) { require.Empty(t, b.handled) }},
		"money again":     {paid, nil, Repeated, Repeated, func(t *testing.T, b *books) { require.Equal(t, []Outcome{Repeated}, b.handled) }},
		"wrong money":     {paid, nil, Mismatch, Mismatch, func(t *testing.T, b *books) { require.Equal(t, []Outcome{Mismatch}, b.handled) }},
		"unreadable":      {Notice{}, errors.New("no JSON"), "", Unreadable, func(t *testing.T, b *books) { require.Equal(t, []Outcome{Unreadable}, b.handled) }},
		"none of ours":    {Notice{Event: "disbursement"}, nil, "", Ignored, func(t *testing.T, b *books) { require.Empty(t, b.settled) }},
		"expired":         {Notice{Checkout: Checkout{ID: "ps-1", Reference: reference, State: SessionExpired}}, nil, "", Closed, func(t *testing.T, b *books) { require.Equal(t, []Status{Expired}, b.lapsed) }},
		"active, so what": {Notice{Checkout: Checkout{ID: "ps-1", Reference: reference, State: Active}}, nil, "", Ignored, func(t *testing.T, b *books) { require.Empty(t, b.lapsed) }},
		"a hint":          {Notice{Hint: true, Checkout: Checkout{Reference: reference}}, nil, "", Looked, func(t *testing.T, b *books) { require.Equal(t, []time.Duration{0}, b.postponed) }},
		"of a refund":     {Notice{Refund: refund}, nil, "", Looked, func(t *testing.T, b *books) { require.Equal(t, []time.Duration{0}, b.postponed) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, v := room()
			v.notice, v.bad, b.outcome = c.notice, c.bad, c.settles
			got, err := s.Deliver(t.Context(), []byte("body"), "wh\x00-1")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Len(t, b.kept, 1)
			require.NotContains(t, b.kept[0].Event+b.kept[0].Delivery, "\x00", "as Postgres takes it")
			c.check(t, b)
		})
	}
	t.Run("not kept", func(t *testing.T) {
		t.Parallel()
		s, b, _ := room()
		b.err = gone
		_, err := s.Deliver(t.Context(), nil, "")
		require.Equal(t, core.Unavailable, core.CodeOf(err))
	})
	t.Run("a vendor that sends none", func(t *testing.T) {
		t.Parallel()
		s := roomOf(silent{&vendor{}}, &books{})
		require.False(t, s.Authentic("t"))
		_, err := s.Deliver(t.Context(), nil, "")
		require.Equal(t, core.NotFound, core.CodeOf(err))
		require.NoError(t, s.heedUnhandled(t.Context()))
	})
	s, _, _ := room()
	require.True(t, s.Authentic("t"))
	require.False(t, s.Authentic(""))
}

// keeper keeps deliveries and can do no more.
type keeper struct{ *books }

func (keeper) Settle(context.Context, Receipt) (Outcome, error) { return "", gone }

func TestDeliver_KeptAndTriedAgain(t *testing.T) {
	t.Parallel()
	s, b, v := room()
	v.notice = Notice{Checkout: Checkout{ID: "ps-1", Reference: core.NewID[core.PaymentID](), State: Completed}}
	s.stores.Till = keeper{b}
	_, err := s.Deliver(t.Context(), []byte("{}"), "")
	require.NoError(t, err, "the vendor need not send it again")
	require.EqualValues(t, 1, s.Stats().Unsettled)
	b.unhandled = []Delivery{{ID: core.NewID[DeliveryID](), Body: []byte("{}")}}
	require.Error(t, s.heedUnhandled(t.Context()))
	s.stores.Till, b.outcome = b, Started
	b.unhandled = []Delivery{{ID: core.NewID[DeliveryID](), Body: []byte("{}")}}
	require.NoError(t, s.heedUnhandled(t.Context()))
	require.Len(t, b.settled, 1)
}

func TestNoticed(t *testing.T) {
	t.Parallel()
	s, b, _ := room()
	b.outcome = Started
	require.NoError(t, s.Noticed(t.Context(), Checkout{ID: "sb-1", State: Completed}))
	require.NoError(t, s.Noticed(t.Context(), Checkout{ID: "sb-1", State: SessionFailed}))
	require.Len(t, b.settled, 1)
	require.Equal(t, []Status{Failed}, b.lapsed)
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says RefundState
		err  error
		want func(t *testing.T, b *books)
	}{
		"succeeded": {RefundState{ID: "rfd-1"}, nil, func(t *testing.T, b *books) { require.Equal(t, []RefundState{{ID: "rfd-1"}}, b.refundSays) }},
		"pending":   {RefundState{ID: "rfd-1", Pending: true}, nil, func(t *testing.T, b *books) { require.True(t, b.refundSays[0].Pending) }},
		"refused":   {RefundState{}, errRefused, func(t *testing.T, b *books) { require.NotEmpty(t, b.refundSays[0].Failure) }},
		"unknown":   {RefundState{}, unknown, func(t *testing.T, b *books) { require.NotEmpty(t, b.refundSays[0].Failure) }},
		"away":      {RefundState{}, away, func(t *testing.T, b *books) { require.Len(t, b.postponed, 1); require.Empty(t, b.refundSays) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, v := room()
			v.refund, v.err = c.says, c.err
			b.refunds = []Refund{{ID: core.NewID[core.RefundID](), Charge: "pr-1", Attempts: 1}}
			require.NoError(t, s.refundRound(t.Context()))
			c.want(t, b)
			require.Equal(t, []string{"refund pr-1"}, v.calls)
		})
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b, v := room()
		v.says, b.outcome = Checkout{ID: "ps-1", State: Active}, Started
		for range 3 * workBatch {
			b.due = append(b.due, payment(Opening))
		}
		b.refunds = []Refund{{ID: core.NewID[core.RefundID]()}}
		b.unhandled = []Delivery{{ID: core.NewID[DeliveryID]()}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		opened := func() (n int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.opened)
		}
		require.Equal(t, 3*workBatch, opened(), "all batches at once")
		require.NoError(t, b.do(func() { b.due = append(b.due, payment(Opening)) }))
		s.Wake()
		s.Wake()
		synctest.Wait()
		require.Equal(t, 3*workBatch+1, opened(), "woken")
		time.Sleep(unhandledEvery + time.Second)
		b.mu.Lock()
		require.Len(t, b.refundSays, 1)
		require.Len(t, b.handled, 1)
		b.err = gone
		before := b.asked
		b.mu.Unlock()
		time.Sleep(5 * time.Second)
		b.mu.Lock()
		require.Equal(t, before, b.asked)
		b.err, b.due = nil, []Payment{payment(Opening)}
		b.mu.Unlock()
		time.Sleep(tick)
		synctest.Wait()
		require.Equal(t, 3*workBatch+2, opened(), "the store is back")
		cancel()
		require.NoError(t, <-done)
		require.EqualValues(t, 3*workBatch+2, s.Stats().Opened)
	})
}
