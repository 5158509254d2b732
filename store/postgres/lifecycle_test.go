package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// A whole free session with five offers and their receipts. The outbox adds at most one statement a commit that emitted, when
// nothing else is going on (three here), so the bound leaves room for that below 25.
func TestLifecycle_Statements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mitras, customer := w.mitras(5), w.customer()
	pairings := w.db.Pairing()
	w.log.take()

	s, err := pairings.Request(t.Context(), pairing.Request{CustomerID: customer, Key: "k", PackageID: w.free}, mitras)
	require.NoError(t, err)
	counted := len(w.log.take())
	for _, m := range mitras {
		offer := w.offer(s, m)
		require.NoError(t, pairings.Received(t.Context(), offer, m))
	}
	s, err = pairings.Accept(t.Context(), w.offer(s, mitras[2]), mitras[2], 1)
	require.NoError(t, err)
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Customer, customer), "")
	require.NoError(t, err)

	rest := w.log.take()
	counted += len(rest)
	require.LessOrEqual(t, counted, 22, strings.Join(rest, "\n---\n"))
	t.Logf("%d statements", counted)
}

func TestLifecycle_Free(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mitras, customer := w.mitras(3), w.customer()

	s, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: customer, Key: "k", PackageID: w.free, Note: "halo"}, mitras)
	require.NoError(t, err)
	require.Equal(t, chat.Searching, s.Status)
	require.EqualValues(t, 1, s.Version)
	require.Equal(t, chat.AliasOf(customer), s.CustomerName)
	require.WithinDuration(t, s.CreatedAt.Add(2*time.Minute), s.DeadlineAt, 5*time.Second)

	offers, err := w.db.Pairing().Open(t.Context(), mitras[0])
	require.NoError(t, err)
	require.Len(t, offers, 1)
	require.Equal(t, "halo", offers[0].Note)
	require.Equal(t, 10, offers[0].Minutes)
	require.Equal(t, events[pairing.Offer](w, core.OfferMade, mitras[0]), offers)

	s = w.accepts(s, mitras[0])
	require.Equal(t, chat.Active, s.Status)
	require.EqualValues(t, 2, s.Version)
	require.Equal(t, mitras[0], s.MitraID)
	require.Equal(t, "Ayu", s.MitraName)
	require.Equal(t, 10*time.Minute, s.EndsAt.Sub(s.StartedAt))
	require.Equal(t, s.EndsAt, s.DeadlineAt)
	require.Nil(t, s.Payment)
	for _, m := range mitras[1:] {
		require.Equal(t, "lost", w.offerStatus(s, m))
		closed := events[pairing.Closed](w, core.OfferClosed, m)
		require.Equal(t, []pairing.Closed{{OfferID: w.offer(s, m), SessionID: s.ID, Reason: pairing.ClosedTaken}}, closed)
	}

	s, err = w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, mitras[0]), "selesai")
	require.NoError(t, err)
	require.Equal(t, chat.Ended, s.Status)
	require.Equal(t, chat.ReasonMitra, s.EndReason)
	require.EqualValues(t, 3, s.Version)

	require.Equal(t, "searching:customer: active:mitra:accepted ended:mitra:mitra", w.history(s.ID))
	require.Equal(t, []int64{1, 2, 3}, versions(events[chat.Session](w, core.SessionUpdated, customer)))
	require.Equal(t, []int64{2, 3}, versions(events[chat.Session](w, core.SessionUpdated, mitras[0])))
	require.Empty(t, events[chat.Session](w, core.SessionUpdated, mitras[1]))
}

func versions(sessions []chat.Session) (all []int64) {
	for _, s := range sessions {
		all = append(all, s.Version)
	}
	return all
}

func TestLifecycle_Paid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()

	s := w.accepts(w.asks(w.paid, m), m)
	require.Equal(t, chat.PendingPayment, s.Status)
	require.EqualValues(t, 25_000, s.Price)
	require.NotNil(t, s.Payment)
	require.Equal(t, "opening", s.Payment.Status)
	require.Equal(t, s.DeadlineAt, s.Payment.ExpiresAt)
	require.Zero(t, s.StartedAt)

	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	code(t, err, core.WrongState)
	s, err = w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.Equal(t, chat.Cancelled, s.Status)
	require.Equal(t, "cancelled", s.Payment.Status)
	require.Zero(t, value[int](w, `select count(*) from chat_sessions where status in ('active', 'pending_payment')`))
}

// A whole paid session with one offer, its invoice opened and paid by a webhook. What goes on in the background is counted by the
// benchmark.
func TestLifecycle_PaidStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, customer, payments := w.mitra(), w.customer(), w.db.Payments()
	w.log.take()
	counted := map[string]int{}
	step := func(name string) {
		all := w.log.take()
		counted[name] = len(all)
		t.Logf("%s: %d\n%s", name, len(all), strings.Join(all, "\n---\n"))
	}
	s, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: customer, Key: "k", PackageID: w.paid}, []core.MitraID{m})
	require.NoError(t, err)
	step("request")
	offer := w.offer(s, m)
	require.NoError(t, w.db.Pairing().Received(t.Context(), offer, m))
	step("received")
	s, err = w.db.Pairing().Accept(t.Context(), offer, m, 1)
	require.NoError(t, err)
	step("accept")
	claimed, err := payments.Claim(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	w.opens(s.Payment.ID)
	step("open")
	d := payment.Delivery{ID: core.NewID[payment.DeliveryID](), Provider: "fake", Body: []byte("{}")}
	require.NoError(t, payments.Keep(t.Context(), d))
	paid := receipt(s.Payment.ID, 25_000)
	paid.Delivery = d.ID
	require.Equal(t, payment.Started, w.settles(paid))
	step("pay")
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Customer, customer), "")
	require.NoError(t, err)
	step("end")
	total := 0
	for _, n := range counted {
		total += n
	}
	t.Logf("%d statements: %v", total, counted)
	require.LessOrEqual(t, total, 25)
}
