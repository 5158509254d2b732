package main

import (
	"context"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/core/payment/sandbox"
	"github.com/halobestie/bestie-gateway/core/payment/xendit"
)

// buildPayments makes the money's room with the vendor that is configured.
func (p *program) buildPayments(cfg config.Payment, clock core.Clock) {
	truth := p.db.Payments()
	stores := payment.Stores{Invoices: truth, Till: truth, Deliveries: truth, Payments: truth, Refunds: p.db.Refunds()}
	settings := p.db.Settings().Current
	if cfg.PaymentProvider == xendit.Name {
		vendor := xendit.New(xendit.Config{
			SecretKey: string(cfg.XenditSecretKey), CallbackToken: string(cfg.XenditCallbackToken), BaseURL: cfg.XenditBaseURL,
			Channels: cfg.XenditChannels, SuccessURL: cfg.XenditSuccessURL, CancelURL: cfg.XenditCancelURL,
		}, clock)
		p.hangUps = append(p.hangUps, vendor.Close)
		p.payment = payment.NewService(vendor, stores, settings, clock, p.log)
		return
	}
	vendor := sandbox.New(p.db.Sandbox(), func() string { return "http://" + reachable(p.PublicAddr()) })
	p.payment = payment.NewService(vendor, stores, settings, clock, p.log)
	p.checkout = vendor.Page(p.payment.Noticed, p.log)
}

// sendsWebhooks tells whether the vendor does.
func (p *program) sendsWebhooks() bool { return p.cfg.PaymentProvider == xendit.Name }

// promptPairing is the pairing room, whose work is followed up at once: the last decline of a wave makes the next one due, an
// accept may have written an invoice.
type promptPairing struct {
	*pairing.Service
	deadlines *chat.Service
	payments  *payment.Service
}

// Decline declines, and has the deadlines looked at.
func (p promptPairing) Decline(ctx context.Context, id core.OfferID, mitra core.MitraID, reason string) error {
	err := p.Service.Decline(ctx, id, mitra, reason)
	p.deadlines.Wake()
	return err
}

// Accept accepts, and has the invoice opened.
func (p promptPairing) Accept(ctx context.Context, id core.OfferID, mitra core.MitraID, epoch int64) (chat.Session, error) {
	s, err := p.Service.Accept(ctx, id, mitra, epoch)
	if err == nil && s.Status == chat.PendingPayment {
		p.payments.Wake()
	}
	return s, err
}

// promptChat is the sessions' room, whose extensions have their invoices opened at once.
type promptChat struct {
	*chat.Service
	payments *payment.Service
}

// Extend extends, and has the invoice opened.
func (p promptChat) Extend(ctx context.Context, e chat.Extension) (chat.Session, error) {
	s, err := p.Service.Extend(ctx, e)
	if err == nil {
		p.payments.Wake()
	}
	return s, err
}

// watchAbsences reroutes sessions whose mitras are gone.
func (p *program) watchAbsences(ctx context.Context) error {
	return p.chat.Watch(ctx, p.db.Chat(), p.presence, p.db.Settings().Current)
}
