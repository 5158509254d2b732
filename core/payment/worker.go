package payment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// tick bounds how late work is noticed that another instance left, and an extension's deadline.
	tick = 500 * time.Millisecond
	// workBatch is how many payments are claimed at once, atOnce how many this instance works on: mostly it waits for the vendor.
	workBatch = 16
	atOnce    = 64
	// pollEvery is how often an open payment is looked at, whatever webhooks do; after PollFirst for the first time.
	pollEvery = 30 * time.Second
	// backoffFirst doubles with each failure up to backoffMost.
	backoffFirst = time.Second
	backoffMost  = 30 * time.Second
	// obeyed bounds how long the vendor may ask us to stay away.
	obeyed = 5 * time.Minute
	// refundTick is how often refunds are looked for.
	refundTick = 2 * time.Second
	// unhandledAge is how old a webhook without an outcome must be to be tried again.
	unhandledAge   = 5 * time.Second
	unhandledEvery = 5 * time.Second
	// shortestLife is the least that a session at the vendor is asked to live: Xendit wants ten minutes.
	shortestLife = 15 * time.Minute
)

// PollFirst is how long after its opening a payment is looked at for the first time.
const PollFirst = 15 * time.Second

// Run does what is due at the vendor until ctx ends, and returns nil when all of it has ended. Store errors are logged once an outage
// and retried.
func (s *Service) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { s.workLoop(ctx) })
	loops.Go(func() { s.every(ctx, "refunds", refundTick, s.refundRound) })
	loops.Go(func() { s.every(ctx, "webhooks without an outcome", unhandledEvery, s.heedUnhandled) })
	loops.Wait()
	return nil
}

func (s *Service) workLoop(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	outage := core.Outage{Log: s.log, What: "claiming payments' work"}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			n, err := s.round(ctx, &working)
			more = outage.Note(ctx, err) == nil && n == workBatch
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// round sets to work on a batch of payments, as far as there is room, and tells its size.
func (s *Service) round(ctx context.Context, working *sync.WaitGroup) (int, error) {
	room := min(workBatch, atOnce-int(s.working.Load()))
	if room <= 0 {
		return 0, nil
	}
	payments, err := s.stores.Invoices.Claim(ctx, room)
	for _, p := range payments {
		s.working.Add(1)
		working.Go(func() {
			defer s.working.Add(-1)
			s.noted(ctx, "payment", p.ID.String(), s.work(ctx, p))
		})
	}
	return len(payments), err
}

// every runs a round of other work in an interval.
func (s *Service) every(ctx context.Context, what string, interval time.Duration, round func(context.Context) error) {
	outage := core.Outage{Log: s.log, What: what}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = outage.Note(ctx, round(ctx))
		}
	}
}

// noted logs what a piece of work failed by, unless it is an outage, which others tell of.
func (s *Service) noted(ctx context.Context, kind, id string, err error) {
	switch code := core.CodeOf(err); {
	case err == nil, ctx.Err() != nil, code == core.PaymentUnavailable, code == core.Unavailable, errors.Is(err, ErrRefused):
	default:
		s.log.ErrorContext(ctx, "work for a "+kind+" failed", kind, id, "error", err)
	}
}

// work does a payment's present step.
func (s *Service) work(ctx context.Context, p Payment) error {
	switch {
	case p.Status.Waits() && p.Overdue && !p.ExtensionID.IsZero():
		// A session's own deadline is the session's; an extension has none but this.
		_, err := s.stores.Invoices.Lapse(ctx, p.ID, "", Expired, "")
		return err
	case p.Provider != "" && p.Provider != s.provider.Name():
		return s.orphaned(ctx, p)
	case p.Status == Opening:
		_, err := s.open(ctx, p)
		return err
	case p.Status == Open:
		return s.look(ctx, p)
	case p.ProviderID == "":
		return s.stores.Invoices.Rest(ctx, p.ID) // the vendor never heard of it
	default:
		return s.cancel(ctx, p)
	}
}

// orphaned is the step of a payment at a vendor that this program was used with before.
func (s *Service) orphaned(ctx context.Context, p Payment) error {
	if !p.Status.Waits() {
		return s.stores.Invoices.Rest(ctx, p.ID)
	}
	_, err := s.stores.Invoices.Lapse(ctx, p.ID, p.ProviderID, Failed, "the provider was changed")
	return err
}

// open makes the vendor's session. It is called with a lease. A zero payment: it was closed meanwhile, and what was opened is not shown.
func (s *Service) open(ctx context.Context, p Payment) (Payment, error) {
	call, done := context.WithTimeout(ctx, CallTimeout)
	defer done()
	checkout, err := s.provider.Open(call, Invoice{
		Reference: p.ID, Amount: p.Amount, Description: "Halo Bestie", ExpiresAt: s.clock().Add(s.vendorLife()),
	})
	switch {
	case errors.Is(err, ErrRefused):
		s.failed.Add(1)
		s.log.WarnContext(ctx, "the vendor refuses a payment", "payment", p.ID, "error", err)
		if _, lapse := s.stores.Invoices.Lapse(ctx, p.ID, "", Failed, err.Error()); lapse != nil {
			return Payment{}, lapse
		}
		return Payment{}, err
	case err != nil:
		return Payment{}, s.later(ctx, p, err)
	}
	opened, shown, err := s.stores.Invoices.Opened(ctx, p.ID, s.provider.Name(), checkout)
	if err != nil {
		// The lease runs out, and the same reference is opened again.
		return Payment{}, err
	}
	s.opened.Add(1)
	if !shown {
		s.surplus.Add(1)
		s.discard(ctx, p, checkout)
		return Payment{}, nil
	}
	return opened, nil
}

// vendorLife is how long a session at the vendor is to live: through a payment's time, a search after a reroute, and another
// payment's time. Our deadlines are shorter, and cancel it.
func (s *Service) vendorLife() time.Duration {
	settings := s.settings()
	return max(shortestLife, 2*settings.PaymentTimeout+settings.SearchDuration+5*time.Minute)
}

// discard ends a session that no payment names: nobody has its address.
func (s *Service) discard(ctx context.Context, p Payment, surplus Checkout) {
	call, done := context.WithTimeout(context.WithoutCancel(ctx), CallTimeout)
	defer done()
	if _, err := s.provider.Cancel(call, surplus.ID); err != nil {
		s.log.WarnContext(ctx, "a surplus session at the vendor runs out by itself", "payment", p.ID, "vendor_session", surplus.ID, "error", err)
	}
}

// look finds out what webhooks may have lost.
func (s *Service) look(ctx context.Context, p Payment) error {
	call, done := context.WithTimeout(ctx, CallTimeout)
	defer done()
	checkout, err := s.provider.Look(call, p.ProviderID)
	s.polled.Add(1)
	switch {
	case core.CodeOf(err) == core.NotFound || errors.Is(err, ErrRefused):
		_, err = s.stores.Invoices.Lapse(ctx, p.ID, p.ProviderID, Failed, err.Error())
		return err
	case err != nil:
		return s.later(ctx, p, err)
	case checkout.State == Active:
		return s.stores.Invoices.Postpone(ctx, p.ID, pollEvery, "")
	}
	return s.follow(ctx, p, checkout)
}

// cancel ends the vendor's session of a payment that is closed here, or paid by another one.
func (s *Service) cancel(ctx context.Context, p Payment) error {
	call, done := context.WithTimeout(ctx, CallTimeout)
	defer done()
	checkout, err := s.provider.Cancel(call, p.ProviderID)
	switch {
	case core.CodeOf(err) == core.NotFound || errors.Is(err, ErrRefused):
		s.log.WarnContext(ctx, "the vendor does not cancel a session", "payment", p.ID, "vendor_session", p.ProviderID, "error", err)
	case err != nil:
		return s.later(ctx, p, err)
	case checkout.State == Active:
		return s.later(ctx, p, core.Errorf(core.PaymentUnavailable, "the vendor's session is still active"))
	case checkout.State == Completed:
		if err := s.follow(ctx, p, checkout); err != nil {
			return err
		}
	default:
		s.cancelled.Add(1)
	}
	return s.stores.Invoices.Rest(ctx, p.ID)
}

// follow does what the vendor's answer means. A mismatch must not be looked at for ever.
func (s *Service) follow(ctx context.Context, p Payment, c Checkout) error {
	if c.Reference.IsZero() {
		c.Reference = p.ID
	}
	if c.Reference != p.ID {
		s.alarm(ctx, "the vendor's session is another payment's", "payment", p.ID, "vendor_session", c.ID, "reference", c.Reference)
		return s.stores.Invoices.Postpone(ctx, p.ID, backoffMost, "the vendor's session is another payment's")
	}
	if c.State != Completed {
		_, err := s.lapse(ctx, c)
		return err
	}
	outcome, err := s.settle(ctx, c, DeliveryID{})
	if err == nil && outcome.Alarming() {
		err = s.stores.Invoices.Postpone(ctx, p.ID, 10*backoffMost, string(outcome))
	}
	return err
}

// later has a step tried again, when the vendor says or after a time that doubles, and gives the error back.
func (s *Service) later(ctx context.Context, p Payment, err error) error {
	if ctx.Err() != nil {
		return err // this instance stops; the lease runs out
	}
	if postponed := s.stores.Invoices.Postpone(ctx, p.ID, pauseAfter(p.Attempts, err), err.Error()); postponed != nil {
		return fmt.Errorf("%w, after %w", postponed, err)
	}
	s.retried.Add(1)
	return err
}

// pauseAfter is how long to wait after the given number of attempts.
func pauseAfter(attempts int, err error) time.Duration {
	wait := min(backoffFirst<<min(max(attempts-1, 0), 10), backoffMost)
	var coded *core.Error
	if errors.As(err, &coded) {
		wait = max(wait, min(coded.RetryAfter, obeyed))
	}
	return wait
}

// heedUnhandled gives kept deliveries their effect that did not have it when they came.
func (s *Service) heedUnhandled(ctx context.Context) error {
	reader, reads := s.provider.(Reader)
	if !reads {
		return nil
	}
	left, err := s.stores.Deliveries.Unhandled(ctx, unhandledAge, workBatch)
	if err != nil {
		return err
	}
	for _, d := range left {
		notice, unreadable := reader.Read(d.Body)
		if _, err := s.heed(ctx, d, notice, unreadable); err != nil {
			return err
		}
	}
	return nil
}
