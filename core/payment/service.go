package payment

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/halobestie/bestie-gateway/core"
)

// Service is the money's room. Its methods may be called concurrently; Run is called once.
type Service struct {
	provider Provider
	stores   Stores
	settings func() core.Settings
	clock    core.Clock
	log      *slog.Logger
	wake     chan struct{} // holds a token when Run is to look at once

	working                                                    atomic.Int64
	opened, failed, retried, polled, cancelled, refunds        atomic.Uint64
	received, credited, deliveries, alarms, surplus, unsettled atomic.Uint64
}

// Stores are what the room keeps; one type may be several.
type Stores struct {
	Invoices   Invoices
	Till       Till
	Deliveries Deliveries
	Payments   Payments
	Refunds    Refunds
}

// NewService makes the room. settings gives the current app_config. clock only spaces what the vendor is told; our deadlines are on
// Postgres's clock.
func NewService(provider Provider, stores Stores, settings func() core.Settings, clock core.Clock, log *slog.Logger) *Service {
	return &Service{provider: provider, stores: stores, settings: settings, clock: clock, log: log, wake: make(chan struct{}, 1)}
}

// Wake has Run look for work at once, for a caller who knows of some. It does not block.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Invoice gives a customer what is to be paid for a session, opened at the vendor if it was not: the unpaid extension, else the
// session. One that another instance is opening just now comes without its address; session.update brings it. NOT_FOUND,
// WRONG_STATE when nothing is to be paid, PAYMENT_UNAVAILABLE when the vendor does not answer (it goes on being tried),
// UNAVAILABLE.
func (s *Service) Invoice(ctx context.Context, session core.SessionID, by core.CustomerID) (Payment, error) {
	p, claimed, err := s.stores.Invoices.Invoice(ctx, session, by)
	switch {
	case err != nil:
		return p, err
	case !claimed && p.Status == Opening && p.Failure != "":
		return p, core.Errorf(core.PaymentUnavailable, "the payment provider did not answer a moment ago")
	case !claimed:
		return p, nil
	}
	opened, err := s.open(ctx, p)
	switch {
	case errors.Is(err, ErrRefused):
		return p, core.Errorf(core.PaymentUnavailable, "the payment provider refuses this payment")
	case err != nil:
		return p, err
	case opened.ID.IsZero(): // closed meanwhile
		return s.stores.Payments.OfCustomer(ctx, p.ID, by)
	}
	return opened, nil
}

// Payment reads a customer's payment. NOT_FOUND, UNAVAILABLE.
func (s *Service) Payment(ctx context.Context, id core.PaymentID, by core.CustomerID) (Payment, error) {
	return s.stores.Payments.OfCustomer(ctx, id, by)
}

// Authentic tells whether a webhook's token is the vendor's.
func (s *Service) Authentic(token string) bool {
	reader, reads := s.provider.(Reader)
	return reads && reader.Authentic(token)
}

// Deliver takes a webhook's body, whose token the caller has checked: it is kept as it came, then it has its effect. An error
// means that it was not kept and must come again: UNAVAILABLE. One that was kept and could not have its effect is tried
// again by Run.
func (s *Service) Deliver(ctx context.Context, body []byte, delivery string) (Outcome, error) {
	reader, reads := s.provider.(Reader)
	if !reads {
		return "", core.Errorf(core.NotFound, "the payment provider sends no webhooks")
	}
	notice, unreadable := reader.Read(body)
	d := Delivery{
		ID: core.NewID[DeliveryID](), Provider: s.provider.Name(), Delivery: storable(delivery), Event: storable(notice.Event),
		Reference: storable(notice.Named), PaymentID: notice.Reference, Body: body,
	}
	if err := s.stores.Deliveries.Keep(ctx, d); err != nil {
		return "", err
	}
	s.deliveries.Add(1)
	outcome, err := s.heed(ctx, d, notice, unreadable)
	if err != nil {
		s.unsettled.Add(1)
		s.log.WarnContext(ctx, "a payment's webhook is kept and will be tried again", "delivery", d.ID, "error", err)
	}
	return outcome, nil
}

// heed gives a kept delivery its effect and writes what came of it.
func (s *Service) heed(ctx context.Context, d Delivery, n Notice, unreadable error) (Outcome, error) {
	if unreadable == nil && !n.Hint && n.State == Completed {
		outcome, err := s.settle(ctx, n.Checkout, d.ID)
		if err != nil || outcome != Repeated && !outcome.Alarming() {
			return outcome, err // Settle wrote the outcome
		}
		return outcome, s.stores.Deliveries.Handled(ctx, d.ID, outcome)
	}
	outcome, err := Ignored, error(nil)
	switch {
	case unreadable != nil:
		outcome = Unreadable
		s.alarm(ctx, "a payment's webhook cannot be read", "delivery", d.ID, "error", unreadable)
	case !n.Refund.IsZero():
		outcome, err = Looked, s.stores.Refunds.Postpone(ctx, n.Refund, 0, "")
	case n.Reference.IsZero():
	case n.Hint:
		outcome, err = Looked, s.stores.Invoices.Postpone(ctx, n.Reference, 0, "")
		s.Wake()
	default:
		outcome, err = s.lapse(ctx, n.Checkout)
	}
	if err != nil {
		return outcome, err
	}
	return outcome, s.stores.Deliveries.Handled(ctx, d.ID, outcome)
}

// Noticed takes a notice of a vendor in this process, which needs no webhook.
func (s *Service) Noticed(ctx context.Context, c Checkout) error {
	if c.State == Completed {
		_, err := s.settle(ctx, c, DeliveryID{})
		return err
	}
	_, err := s.lapse(ctx, c)
	return err
}

func (s *Service) settle(ctx context.Context, c Checkout, delivery DeliveryID) (Outcome, error) {
	outcome, err := s.stores.Till.Settle(ctx, Receipt{
		Payment: c.Reference, Provider: s.provider.Name(), ProviderID: c.ID, Charge: c.Charge, Request: c.Request,
		Amount: c.Amount, Currency: c.Currency, Delivery: delivery,
	})
	switch {
	case err != nil:
		return outcome, err
	case outcome.Alarming():
		s.alarm(ctx, "money arrived that fits no invoice", "outcome", outcome, "payment", c.Reference, "vendor_session", c.ID,
			"amount", c.Amount, "currency", c.Currency)
	case outcome == Credited:
		s.received.Add(1)
		s.credited.Add(1)
		s.Wake() // the vendor's other session may have to be cancelled
	case outcome != Repeated:
		s.received.Add(1)
	}
	return outcome, nil
}

// lapse follows a session that is over at the vendor without money.
func (s *Service) lapse(ctx context.Context, c Checkout) (Outcome, error) {
	to, over := map[State]Status{SessionExpired: Expired, SessionCanceled: Cancelled, SessionFailed: Failed}[c.State]
	if !over || c.ID == "" {
		return Ignored, nil
	}
	return s.stores.Invoices.Lapse(ctx, c.Reference, c.ID, to, "the vendor says "+string(c.State))
}

func (s *Service) alarm(ctx context.Context, what string, args ...any) {
	s.alarms.Add(1)
	s.log.ErrorContext(ctx, what, args...)
}

// storable is the vendor's text as Postgres takes it.
func storable(text string) string {
	return core.FirstChars(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"), 200)
}

// Stats are counters since the start.
type Stats struct {
	Opened     uint64 // sessions at the vendor
	Failed     uint64 // payments that the vendor refused
	Retried    uint64 // calls to the vendor that failed and are tried again
	Polled     uint64 // open payments that the vendor was asked about
	Cancelled  uint64 // sessions at the vendor that were ended
	Surplus    uint64 // sessions at the vendor that no payment named
	Received   uint64 // receipts of money
	Credited   uint64 // of these, those that nothing waited for
	Deliveries uint64 // webhooks kept
	Unsettled  uint64 // webhooks whose effect had to be tried again
	Alarms     uint64 // what a person should look at
	Refunds    uint64 // orders given to the vendor
}

// Stats may be called at any time.
func (s *Service) Stats() Stats {
	return Stats{
		Opened: s.opened.Load(), Failed: s.failed.Load(), Retried: s.retried.Load(), Polled: s.polled.Load(),
		Cancelled: s.cancelled.Load(), Surplus: s.surplus.Load(), Received: s.received.Load(), Credited: s.credited.Load(),
		Deliveries: s.deliveries.Load(), Unsettled: s.unsettled.Load(), Alarms: s.alarms.Load(), Refunds: s.refunds.Load(),
	}
}
