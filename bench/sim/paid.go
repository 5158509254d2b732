package sim

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// What customers do with money, in percent.
const (
	free       = 10 // asks for what costs nothing
	payFails   = 7  // taps Fail, and asks for another invoice
	payExpires = 4  // taps Expire, likewise
	payNever   = 4  // looks at the page and gives up
	extends    = 30 // wants more minutes, half of them free ones
	reroutes   = 15 // wants another mitra
	unhappy    = 5  // of the mitras: want another customer
)

// anotherMitra is how long a customer waits for one after a reroute, at most.
var anotherMitra = Range{3 * time.Second, 8 * time.Second}

// till is what the customers of a run have paid. Safe for any number of goroutines.
type till struct {
	errands sync.WaitGroup // requests on their way

	mu   sync.Mutex
	paid map[protocol.UUID]client.Account // by payment: the page says so
}

func (t *till) took(id protocol.UUID, from client.Account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paid == nil {
		t.paid = make(map[protocol.UUID]client.Account)
	}
	t.paid[id] = from
}

// purse is what a customer knows of its payments. It belongs to the customer's goroutine.
type purse struct {
	bills  map[protocol.UUID]bool // invoices that something was done about
	wishes int                    // reroutes and extensions planned for the session
}

// errand does something over REST while the customer goes on; then runs in the customer's goroutine.
func (c *customer) errand(do func(ctx context.Context, api *client.API, account client.Account) error, then func(error)) {
	api, account := c.world.apis[c.number%len(c.world.apis)], c.account
	c.world.till.errands.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.world.opts.AnswerTimeout)
		defer cancel()
		err := do(ctx, api, account)
		c.order(func() { then(err) })
	})
}

// choosePackage is what the customer asks for.
func (c *customer) choosePackage() protocol.UUID {
	if !c.world.opts.Paid || c.dice.IntN(100) < free {
		return c.world.pack
	}
	return c.world.paidPack
}

// pays looks at the invoice that a session shows.
func (c *customer) pays(s *protocol.Session) {
	p := s.Payment
	if p == nil || s.Status.Terminal() || c.bills[p.PaymentID] {
		return
	}
	page, id, session := p.CheckoutURL, p.PaymentID, s.SessionID
	var do func()
	switch {
	case p.Status == protocol.PaymentOpen && page != "":
		do = func() { c.tap(page, id, session) }
	case p.Status != protocol.PaymentOpening && p.Status != protocol.PaymentPaid && s.Status == protocol.StatusPendingPayment:
		do = func() { c.askForInvoice(session) }
	default:
		return
	}
	c.bills[id] = true
	c.in(c.world.opts.Think.draw(c.dice), do)
}

// tap opens the page and taps a button of it.
func (c *customer) tap(page string, id, session protocol.UUID) {
	button := "pay"
	switch roll := c.dice.IntN(100); {
	case c.leaves || c.session != session || roll < payNever:
		c.in(c.dice.upTo(time.Second), c.cancel)
		return
	case roll < payNever+payFails:
		button = "fail"
	case roll < payNever+payFails+payExpires:
		button = "expire"
	}
	c.errand(func(ctx context.Context, api *client.API, account client.Account) error {
		paid, err := api.Tap(ctx, page, button)
		if err == nil && paid {
			c.world.till.took(id, account)
			c.world.meters.paid.Add(1)
		}
		return err
	}, func(err error) {
		switch {
		case c.session != session:
		case err != nil: // tapped or not: look again
			c.in(time.Second, func() { c.tap(page, id, session) })
		case button != "pay":
			c.in(c.world.opts.Think.draw(c.dice), func() { c.askForInvoice(session) })
		}
	})
}

// askForInvoice asks for a new one; session.update brings it.
func (c *customer) askForInvoice(session protocol.UUID) {
	if c.session != session || c.phase != searching || c.leaves {
		return
	}
	c.errand(func(ctx context.Context, api *client.API, account client.Account) error {
		_, err := api.OpenPayment(ctx, account, session)
		return err
	}, func(err error) {
		if err != nil && c.session == session {
			c.in(time.Second, func() { c.askForInvoice(session) })
		}
	})
}

// wish plans what happens in a talk that lasts so long.
func (c *customer) wish(talk time.Duration) {
	if !c.world.opts.Paid || c.leaves || c.wishes > 2 {
		return
	}
	id := c.session
	if c.dice.IntN(100) < extends {
		c.wishes++
		c.in(c.dice.upTo(talk), func() { c.extend(id) })
	}
	if c.dice.IntN(100) < reroutes {
		c.wishes++
		c.in(c.dice.upTo(talk), func() { c.reroute(id) })
	}
}

func (c *customer) extend(id protocol.UUID) {
	if c.phase != talking || c.session != id {
		return
	}
	pack := c.world.paidPack
	if c.dice.IntN(2) == 0 {
		pack = c.world.pack
	}
	floor := c.version
	c.ask(&protocol.SessionExtend{SessionID: id, PackageID: pack, RequestKey: fmt.Sprintf("more-%016x", c.dice.Uint64())}, func(got answer) {
		switch {
		case got.err == nil && got.ack.Session != nil:
			c.world.meters.extended.Add(1)
			c.observe(got.ack.Session, floor, got.at)
		case got.err != nil && got.err.Session != nil:
			c.observe(got.err.Session, 0, got.at)
		}
	})
}

func (c *customer) reroute(id protocol.UUID) {
	if c.phase != talking || c.session != id || c.leaves {
		return
	}
	floor := c.version
	c.world.ledger.ending(id)
	c.ask(&protocol.SessionReroute{SessionID: id, Reason: "another, please"}, func(got answer) {
		switch {
		case got.err == nil && got.ack.Session != nil:
			c.world.meters.rerouted.Add(1)
			c.observe(got.ack.Session, floor, got.at)
		case got.err != nil && got.err.Session != nil:
			c.observe(got.err.Session, 0, got.at)
		}
	})
}

// searchesAgain is told that the session has lost its mitra.
func (c *customer) searchesAgain() {
	if c.phase != talking {
		return
	}
	c.phase = searching
	c.world.meters.paired.Add(-1)
	c.world.meters.searching.Add(1)
	id, patience := c.session, anotherMitra.draw(c.dice)
	if c.leaves {
		patience = 0
	}
	c.in(patience, func() {
		if c.session == id {
			c.cancel()
		}
	})
}

// verifyPaid asks after everything that was paid. What the gateways cannot tell now is no breach.
func (w *world) verifyPaid(ctx context.Context) {
	w.till.errands.Wait()
	w.till.mu.Lock()
	paid := maps.Clone(w.till.paid)
	w.till.mu.Unlock()
	limit := time.Now().Add(w.opts.Settle)
	for id, account := range paid {
		var p client.Payment
		var err error
		for {
			p, err = w.apis[0].Payment(ctx, account, id)
			if err == nil && (p.Status == protocol.PaymentPaid || p.Status == protocol.PaymentRefunded) || time.Now().After(limit) {
				break
			}
			if !pause(ctx, 200*time.Millisecond) {
				return
			}
		}
		if err == nil && p.Status != protocol.PaymentPaid && p.Status != protocol.PaymentRefunded {
			w.ledger.breach(PaidIsKept, "payment %s of customer %s was paid and is %s", id, account.ID, p.Status)
		}
	}
}
