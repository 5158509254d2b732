package rest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

const webhook = "/api/shared/payments/xendit/webhook"

// till is the money's room, which says what the test wants.
type till struct {
	mu     sync.Mutex
	kept   [][]byte
	asked  []core.SessionID
	err    error
	answer payment.Payment
}

func (p *till) Authentic(token string) bool { return token == "secret" }

func (p *till) Deliver(_ context.Context, body []byte, delivery string) (payment.Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.kept = append(p.kept, append([]byte(delivery+":"), body...))
	return payment.Started, nil
}

func (p *till) Invoice(_ context.Context, session core.SessionID, _ core.CustomerID) (payment.Payment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, session)
	return p.answer, p.err
}

func (p *till) Payment(context.Context, core.PaymentID, core.CustomerID) (payment.Payment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answer, p.err
}

func (p *till) fails(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func openTill(t *testing.T) (*house, *till) {
	t.Helper()
	return openTillWith(t, rest.Config{PerIPPerMinute: 50})
}

func openTillWith(t *testing.T, cfg rest.Config) (*house, *till) {
	t.Helper()
	p := &till{answer: payment.Payment{
		ID: core.NewID[core.PaymentID](), SessionID: core.NewID[core.SessionID](), Amount: 25_000, Status: payment.Open,
		CheckoutURL: "https://pay.test/1", ExpiresAt: time.UnixMilli(1_790_000_000_000), CreatedAt: time.UnixMilli(1_780_000_000_000),
	}}
	return openWith(t, cfg, func(d *rest.Deps) { d.Payments, d.Webhooks = p, p }), p
}

func TestPayments(t *testing.T) {
	t.Parallel()
	h, p := openTill(t)
	token := bearer(h.signedIn().body.AccessToken)
	session := core.NewID[core.SessionID]().String()
	for _, got := range []answer{
		h.post("/api/client/payments", `{"session_id":"`+session+`"}`, token...).ok(t, http.StatusOK),
		h.get("/api/client/payments/"+p.answer.ID.String(), token...).ok(t, http.StatusOK),
	} {
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(got.text), &body))
		require.Equal(t, map[string]any{
			"id": p.answer.ID.String(), "session_id": p.answer.SessionID.String(), "is_extension": false, "status": "open", "amount": 25_000.0,
			"currency": "IDR", "checkout_url": "https://pay.test/1", "expires_at": 1_790_000_000_000.0, "created_at": 1_780_000_000_000.0,
		}, body)
	}
	require.Equal(t, session, p.asked[0].String())
	for code, status := range map[core.Code]int{core.NotFound: 404, core.WrongState: 409, core.PaymentUnavailable: 503, core.Unavailable: 503} {
		p.fails(core.Errorf(code, "no"))
		h.post("/api/client/payments", `{"session_id":"`+session+`"}`, token...).failed(t, status, code)
	}
	for code, status := range map[core.Code]int{core.NotFound: 404, core.Unavailable: 503} {
		p.fails(core.Errorf(code, "no"))
		h.get("/api/client/payments/"+p.answer.ID.String(), token...).failed(t, status, code)
	}
	h.post("/api/client/payments", `{"session_id":"7"}`, token...).failed(t, 400, core.BadMessage)
	h.post("/api/client/payments", `{}`, token...).failed(t, 400, core.BadMessage)
	h.post("/api/client/payments", `{"session_id":"`+session+`","amount":1}`, token...).failed(t, 400, core.UnknownField)
	h.get("/api/client/payments/7", token...).failed(t, 400, core.BadMessage)
	h.post("/api/client/payments", `{"session_id":"`+session+`"}`).failed(t, 401, core.Unauthenticated)
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	h, p := openTill(t)
	const body = `{"event":"payment_session.completed","unknown_field":1}`
	got := h.post(webhook, body, "X-Callback-Token", "secret", "Webhook-Id", "wh-7").ok(t, http.StatusOK)
	require.JSONEq(t, `{"outcome":"started"}`, got.text)
	require.Equal(t, "wh-7:"+body, string(p.kept[0]))
	h.post(webhook, "not JSON at all", "X-Callback-Token", "secret", "Content-Type", "text/plain").ok(t, http.StatusOK)

	for name, headers := range map[string][]string{
		"none": nil, "wrong": {"X-Callback-Token", "Secret"}, "empty": {"X-Callback-Token", ""}, "two": {"X-Callback-Token", "secret", "X-Callback-Token", "secret"},
		"in another place": {"Authorization", "Bearer secret"},
	} {
		answer := h.post(webhook, body, headers...)
		require.Equal(t, 401, answer.status, name)
	}
	require.Len(t, p.kept, 2, "nothing of strangers' is kept")

	h.post(webhook, `"`+strings.Repeat("x", 256<<10-2)+`"`, "X-Callback-Token", "secret").ok(t, http.StatusOK)
	h.post(webhook, strings.Repeat("x", 256<<10+1), "X-Callback-Token", "secret").failed(t, 413, core.TooLarge)
	p.fails(core.Wrap(core.Unavailable, context.DeadlineExceeded))
	h.post(webhook, body, "X-Callback-Token", "secret").failed(t, 503, core.Unavailable)
}

// Ten megabytes are not read, and the vendor's own are not limited, while who has no token is.
func TestWebhook_Floods(t *testing.T) {
	t.Parallel()
	h, p := openTill(t)
	h.post(webhook, strings.Repeat("x", 10<<20), "X-Callback-Token", "secret").failed(t, 413, core.TooLarge)
	for range 120 {
		h.post(webhook, "{}", "X-Callback-Token", "secret").ok(t, http.StatusOK)
	}
	require.Len(t, p.kept, 120)
	limited := 0
	for range 120 {
		if h.post(webhook, "{}", "X-Callback-Token", "guess").status == http.StatusTooManyRequests {
			limited++
		}
	}
	require.Greater(t, limited, 50)
}

func TestWebhook_NotThereWithoutAVendorThatSendsThem(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.post(webhook, "{}", "X-Callback-Token", "secret").failed(t, 404, core.NotFound)
	h.get("/sandbox/checkout/sb-1").failed(t, 404, core.NotFound)
}
