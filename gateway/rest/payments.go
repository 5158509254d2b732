package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

const (
	webhookPath = "/api/shared/payments/xendit/webhook"
	// maxWebhook bounds a webhook's body. Nothing that Xendit documents comes near it.
	maxWebhook = 256 << 10
)

func (s *server) paymentRoutes() []Route {
	return []Route{
		On("POST", "/api/client/payments", Customers, "What is to be paid for a session, or its extension: opened at the vendor if it was not",
			s.openPayment, core.NotFound, core.WrongState, core.PaymentUnavailable),
		On("GET", "/api/client/payments/:id", Customers, "One payment", s.payment, core.NotFound),
		{
			Method: http.MethodPost, Path: webhookPath, Access: Anybody, Status: http.StatusOK,
			Summary: "What Xendit tells of payments, with its token in x-callback-token; 503 when it was not kept and must come again",
			Errors:  []core.Code{core.Unauthenticated, core.NotFound},
			in:      reflect.TypeFor[None](), out: reflect.TypeFor[heard](), raw: true, serve: (*server).webhook,
		},
	}
}

// invoice is a payment as its customer sees it.
type invoice struct {
	ID          core.PaymentID `json:"id"`
	SessionID   core.SessionID `json:"session_id"`
	Extension   bool           `json:"is_extension" doc:"it is for more minutes of the session"`
	Status      string         `json:"status" enum:"opening,open,paid,expired,cancelled,failed,refunded"`
	Amount      int64          `json:"amount" doc:"rupiah"`
	Currency    string         `json:"currency" enum:"IDR"`
	CheckoutURL string         `json:"checkout_url" doc:"where it is paid; empty while it is opening"`
	ExpiresAt   int64          `json:"expires_at"`
	CreatedAt   int64          `json:"created_at"`
	PaidAt      int64          `json:"paid_at,omitzero"`
}

func invoiceOf(p payment.Payment) invoice {
	return invoice{
		ID: p.ID, SessionID: p.SessionID, Extension: !p.ExtensionID.IsZero(), Status: string(p.Status), Amount: p.Amount,
		Currency: payment.Currency, CheckoutURL: p.CheckoutURL, ExpiresAt: millis(p.ExpiresAt), CreatedAt: millis(p.CreatedAt),
		PaidAt: millis(p.PaidAt),
	}
}

type paymentWish struct {
	SessionID core.SessionID `json:"session_id"`
}

func (s *server) openPayment(ctx context.Context, c *Call, in paymentWish) (invoice, error) {
	p, err := s.deps.Payments.Invoice(ctx, in.SessionID, c.Who.Customer())
	return invoiceOf(p), err
}

type paymentID struct {
	ID core.PaymentID `path:"id"`
}

func (s *server) payment(ctx context.Context, c *Call, in paymentID) (invoice, error) {
	p, err := s.deps.Payments.Payment(ctx, in.ID, c.Who.Customer())
	return invoiceOf(p), err
}

// heard tells the vendor what came of its webhook, for whoever looks at the deliveries there.
type heard struct {
	Outcome string `json:"outcome"`
}

// webhook takes a body as it is: who sends it is proved by the token, before a byte of it is read, and what is wrong with it
// is kept and looked at by people. Sending it again would not mend it, so it is a success.
func (s *server) webhook(c *Call, _ httprouter.Params) error {
	if s.deps.Webhooks == nil {
		return core.Errorf(core.NotFound, "no such route")
	}
	if tokens := c.R.Header.Values("X-Callback-Token"); len(tokens) != 1 || !s.deps.Webhooks.Authentic(tokens[0]) {
		if err := s.allow(s.addresses, c.R, "ip:"+household(requestOf(c.R.Context()).from).String()); err != nil {
			return err
		}
		return core.Errorf(core.Unauthenticated, "the token is not the vendor's")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.W, c.R.Body, maxWebhook))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return core.Errorf(core.TooLarge, "a webhook may have %d bytes", maxWebhook)
	case err != nil:
		return core.Errorf(core.BadMessage, "the body did not arrive whole")
	}
	outcome, err := s.deps.Webhooks.Deliver(c.R.Context(), body, c.R.Header.Get("Webhook-Id"))
	if err != nil {
		return err
	}
	s.reply(c.W, c.R, http.StatusOK, heard{Outcome: string(outcome)})
	return nil
}
