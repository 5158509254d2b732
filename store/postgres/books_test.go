package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// A rupiah that is missing is noticed wherever it is.
func TestBooks_Notice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.runs()
	asks, err := w.extends(s, w.paid, "more")
	require.NoError(t, err)
	require.Equal(t, payment.Extended, w.pays(asks.Payment.ID, 25_000))
	_, err = w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
	late, _ := w.owes()
	_, err = w.db.Pairing().Cancel(t.Context(), late.ID, late.CustomerID)
	require.NoError(t, err)
	require.Equal(t, payment.Credited, w.pays(late.Payment.ID, 25_000))
	w.books()
	for name, c := range map[string]struct{ do, undo, says string }{
		"a balance":               {`update customers set credit = credit + 1`, `update customers set credit = credit - 1`, "balance of customer"},
		"what was put in":         {`update chat_sessions set funds = funds - 1 where funds > 0`, `update chat_sessions set funds = funds + 1 where funds > 0`, ""},
		"money that came":         {`update payment_receipts set amount = amount + 1`, `update payment_receipts set amount = amount - 1`, "late money is no credit"},
		"talk that was left":      {`update chat_sessions set end_reason = 'customer' where end_reason = 'mitra'`, `update chat_sessions set end_reason = 'mitra' where status = 'ended'`, "returned for"},
		"talk that was given":     {`update chat_sessions set ends_at = ended_at where end_reason = 'mitra'`, `update chat_sessions set ends_at = ended_at + interval '20 minutes' where end_reason = 'mitra'`, "returned for"},
		"a payment":               {`update payments set status = 'cancelled'`, `update payments set status = 'paid'`, "a receipt, and not paid"},
		"an invoice":              {`update payments set status = 'open'`, `update payments set status = 'paid'`, "an open invoice of a session that is over"},
		"an effect":               {`update payment_receipts set credited = true`, `update payment_receipts set credited = payment_id = (select payment_id from customer_credits where reason = 'late')`, "late money is no credit"},
		"an extension":            {`update session_extensions set status = 'pending', closed_at = null`, `update session_extensions set status = 'paid', closed_at = now()`, "a pending extension that nothing waits for"},
		"a talk that nobody paid": {`update chat_sessions set paid_seconds = 0 where status = 'ended'`, `update chat_sessions set paid_seconds = 1200 where status = 'ended'`, "not paid, and it ran"},
	} {
		w.exec(c.do)
		b, err := w.db.Books(t.Context())
		require.NoError(t, err, name)
		require.False(t, b.Level(), name)
		require.Contains(t, strings.Join(b.Wrong, "\n"), c.says, name)
		w.exec(c.undo)
		w.books()
	}
}
