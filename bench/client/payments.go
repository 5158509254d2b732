package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/halobestie/bestie-gateway/protocol"
)

// Payment is an invoice as its customer sees it.
type Payment struct {
	ID          protocol.UUID          `json:"id"`
	SessionID   protocol.UUID          `json:"session_id"`
	Status      protocol.PaymentStatus `json:"status"`
	Amount      int64                  `json:"amount"`
	CheckoutURL string                 `json:"checkout_url"`
}

// OpenPayment asks for what is to be paid for a session.
func (a *API) OpenPayment(ctx context.Context, account Account, session protocol.UUID) (Payment, error) {
	var p Payment
	body := map[string]protocol.UUID{"session_id": session}
	err := a.call(ctx, http.MethodPost, a.target+"/api/client/payments", account.AccessToken, body, &p)
	return p, err
}

// Payment reads one.
func (a *API) Payment(ctx context.Context, account Account, id protocol.UUID) (Payment, error) {
	var p Payment
	err := a.call(ctx, http.MethodGet, a.target+"/api/client/payments/"+id.String(), account.AccessToken, nil, &p)
	return p, err
}

// Tap taps a button of the payment sandbox's page, "pay", "fail" or "expire", and tells whether the page says then that it is paid: an earlier
// tap whose answer was lost, or a deadline, may have come first.
func (a *API) Tap(ctx context.Context, page, button string) (paid bool, err error) {
	var text string
	err = a.call(ctx, http.MethodPost, page+"/"+button, "", nil, &text)
	return strings.Contains(text, `class="state completed"`), err
}
