package console_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// pays makes a payment of a session that was paid, and gives its id.
func (h *house) pays(session, customer string, amount int64) string {
	h.t.Helper()
	id := core.NewID[core.PaymentID]()
	h.exec(`insert into payments (id, session_id, customer_id, amount, status, provider, provider_id, charge, paid_at, work_at)
		values ($1, $2, $3, $4, 'paid', 'xendit', 'ps-1', 'pr-1', now(), null)`, id, session, customer, amount)
	h.exec(`insert into payment_receipts (provider, provider_id, charge, payment_id, amount, credited) values ('xendit', 'ps-1', 'py-1', $1, $2, false)`, id, amount)
	h.exec(`insert into payment_webhooks (id, provider, event, payment_id, body, outcome) values (gen_random_uuid(), 'xendit', 'payment_session.completed', $1, '\xff7b7d', 'started')`, id)
	return id.String()
}

// money takes the routes of payments and credit, each once.
func (h *house) money() {
	h.t.Helper()
	session, customer, _ := h.talk()
	id := h.pays(session, customer, 25_000)
	require.Len(h.t, h.as(h.ani, "GET", "/internal/payments?status=paid&customer_id="+customer+"&session_id="+session, "").items(), 1)
	refund := h.as(h.ani, "POST", "/internal/payments/"+id+"/refund", `{"amount":10000,"reason":"asked for"}`).ok(http.StatusCreated)
	require.Equal(h.t, "pending", refund["status"])
	story := h.as(h.ani, "GET", "/internal/payments/"+id, "").ok(http.StatusOK)
	require.Equal(h.t, 10_000.0, story["refunded"])
	for _, part := range []string{"receipts", "refunds", "webhooks"} {
		require.Len(h.t, story[part], 1, part)
	}
	require.Equal(h.t, 5_000.0, h.as(h.ani, "POST", "/internal/customers/"+customer+"/credits", `{"amount":5000,"note":"sorry"}`).ok(http.StatusCreated)["balance"])
	credits := h.as(h.ani, "GET", "/internal/customers/"+customer+"/credits?limit=2", "").ok(http.StatusOK)
	require.Equal(h.t, 5_000.0, credits["balance"])
	require.Len(h.t, credits["items"], 2)
	require.NotNil(h.t, credits["next_cursor"], "what the refund booked stands before")
	require.Equal(h.t, "searching", h.as(h.ani, "POST", "/internal/sessions/"+session+"/reroute", `{"note":"a quarrel"}`).ok(http.StatusOK)["status"])
}

func TestRefund_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	session, customer, _ := h.talk()
	id := h.pays(session, customer, 25_000)
	path := "/internal/payments/" + id + "/refund"
	for _, amount := range []string{"0", "-1"} {
		h.as(h.ani, "POST", path, `{"amount":`+amount+`}`).failed(http.StatusBadRequest, core.BadMessage, "amount")
	}
	h.as(h.ani, "POST", path, `{"amount":25001}`).failed(http.StatusBadRequest, core.BadMessage, "amount")
	h.as(h.ani, "POST", path, "").ok(http.StatusCreated)
	h.as(h.ani, "POST", path, "").failed(http.StatusConflict, core.Conflict, "")
	h.exec(`update refunds set status = 'succeeded', closed_at = now()`)
	h.as(h.ani, "POST", path, "").failed(http.StatusBadRequest, core.BadMessage, "amount")
	h.exec(`update payments set status = 'open'`)
	h.as(h.ani, "POST", path, "").failed(http.StatusConflict, core.Conflict, "")
}

func TestCredit_Refused(t *testing.T) {
	t.Parallel()
	h := open(t)
	_, customer, _ := h.talk()
	path := "/internal/customers/" + customer + "/credits"
	for _, amount := range []string{"0", "100000001", "-100000001"} {
		h.as(h.ani, "POST", path, `{"amount":`+amount+`}`).failed(http.StatusBadRequest, core.BadMessage, "amount")
	}
	h.as(h.ani, "POST", path, `{"amount":-1}`).failed(http.StatusConflict, core.Conflict, "")
	h.as(h.ani, "POST", path, `{"amount":7}`).ok(http.StatusCreated)
	require.Equal(t, 0.0, h.as(h.ani, "POST", path, `{"amount":-7}`).ok(http.StatusCreated)["balance"])
}
