package payment

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// books is every store of the room in memory: it notes what it is told and answers what the test says.
type books struct {
	mu         sync.Mutex
	err        error
	due        []Payment
	refunds    []Refund
	unhandled  []Delivery
	invoice    Payment
	claimed    bool
	unshown    bool
	outcome    Outcome
	opened     []Checkout
	postponed  []time.Duration
	failures   []string
	rested     int
	lapsed     []Status
	settled    []Receipt
	kept       []Delivery
	handled    []Outcome
	refundSays []RefundState
	asked      int
}

func (b *books) do(f func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	f()
	return nil
}

func (b *books) Claim(_ context.Context, limit int) (due []Payment, err error) {
	err = b.do(func() {
		n := min(limit, len(b.due))
		due, b.due = b.due[:n], b.due[n:]
		b.asked++
	})
	return due, err
}

func (b *books) Invoice(context.Context, core.SessionID, core.CustomerID) (p Payment, claimed bool, err error) {
	err = b.do(func() { p, claimed = b.invoice, b.claimed })
	return p, claimed, err
}

func (b *books) Opened(_ context.Context, id core.PaymentID, provider string, c Checkout) (p Payment, shown bool, err error) {
	err = b.do(func() {
		b.opened = append(b.opened, c)
		p, shown = Payment{ID: id, Status: Open, Provider: provider, ProviderID: c.ID, CheckoutURL: c.URL}, !b.unshown
	})
	return p, shown, err
}

func (b *books) Postpone(_ context.Context, _ core.PaymentID, wait time.Duration, failure string) error {
	return b.do(func() { b.postponed, b.failures = append(b.postponed, wait), append(b.failures, failure) })
}

func (b *books) Rest(context.Context, core.PaymentID) error { return b.do(func() { b.rested++ }) }

func (b *books) Lapse(_ context.Context, _ core.PaymentID, _ string, to Status, _ string) (o Outcome, err error) {
	err = b.do(func() { b.lapsed, o = append(b.lapsed, to), Closed })
	return o, err
}

func (b *books) Settle(_ context.Context, r Receipt) (o Outcome, err error) {
	err = b.do(func() { b.settled, o = append(b.settled, r), b.outcome })
	return o, err
}

func (b *books) Keep(_ context.Context, d Delivery) error {
	return b.do(func() { b.kept = append(b.kept, d) })
}

func (b *books) Handled(_ context.Context, _ DeliveryID, o Outcome) error {
	return b.do(func() { b.handled = append(b.handled, o) })
}

func (b *books) Unhandled(context.Context, time.Duration, int) (left []Delivery, err error) {
	err = b.do(func() { left, b.unhandled = b.unhandled, nil })
	return left, err
}

func (b *books) OfCustomer(context.Context, core.PaymentID, core.CustomerID) (p Payment, err error) {
	err = b.do(func() { p = b.invoice })
	return p, err
}

// returns is the store of refunds.
type returns struct{ *books }

func (b returns) Claim(context.Context, int) (due []Refund, err error) {
	err = b.do(func() { due, b.refunds = b.refunds, nil })
	return due, err
}

func (b returns) Settled(_ context.Context, _ core.RefundID, state RefundState) error {
	return b.do(func() { b.refundSays = append(b.refundSays, state) })
}

func (b returns) Postpone(_ context.Context, _ core.RefundID, wait time.Duration, failure string) error {
	return b.do(func() { b.postponed, b.failures = append(b.postponed, wait), append(b.failures, failure) })
}

// vendor answers every call with the same.
type vendor struct {
	mu     sync.Mutex
	says   Checkout
	err    error
	notice Notice
	bad    error
	refund RefundState
	calls  []string
}

func (v *vendor) answer(call string) (Checkout, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, call)
	return v.says, v.err
}

func (*vendor) Name() string { return "fake" }

func (v *vendor) Open(_ context.Context, i Invoice) (Checkout, error) {
	return v.answer("open " + i.Reference.String())
}

func (v *vendor) Look(_ context.Context, id string) (Checkout, error) { return v.answer("look " + id) }

func (v *vendor) Cancel(_ context.Context, id string) (Checkout, error) {
	return v.answer("cancel " + id)
}

func (v *vendor) Refund(_ context.Context, r RefundOrder) (RefundState, error) {
	_, err := v.answer("refund " + r.Charge)
	return v.refund, err
}

func (*vendor) Authentic(token string) bool { return token == "t" }

func (v *vendor) Read([]byte) (Notice, error) { return v.notice, v.bad }

// silent is a vendor that sends no webhooks.
type silent struct{ Provider }

func room() (*Service, *books, *vendor) {
	b, v := &books{}, &vendor{}
	return roomOf(v, b), b, v
}

func roomOf(p Provider, b *books) *Service {
	return NewService(p, Stores{Invoices: b, Till: b, Deliveries: b, Payments: b, Refunds: returns{b}},
		core.DefaultSettings, time.Now, slog.New(slog.DiscardHandler))
}
