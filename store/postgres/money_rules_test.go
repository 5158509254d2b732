package postgres_test

import (
	"slices"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// What a customer's life with money comes to, in the simplest words. Each step of model changes it as domain.md says, and tells
// whether the store must have taken the step.
type (
	model struct {
		credit int64
		now    *talk
		bills  []*modelBill // of all talks
	}
	talk struct {
		status   chat.Status
		round    int
		price    int64
		funds    int64
		paid     int // seconds
		left     int // seconds, while it rests
		extended *modelBill
	}
	modelBill struct {
		of        *talk
		id        core.PaymentID
		amount    int64
		extension bool
		status    payment.Status
		charges   int // that arrived
	}
)

const (
	modelPrice  = int64(25_000)
	modelLength = 600 // seconds of each package
)

func (m *model) live() bool { return m.now != nil && m.now.status.Live() }

// openBill is the invoice of the talk itself, if one is open.
func (m *model) openBill() *modelBill {
	i := slices.IndexFunc(m.bills, func(b *modelBill) bool { return b.of == m.now && !b.extension && b.status.Waits() })
	if i < 0 {
		return nil
	}
	return m.bills[i]
}

func (m *model) bill(amount int64, extension bool) *modelBill {
	b := &modelBill{of: m.now, amount: amount, extension: extension, status: payment.Opening}
	m.bills = append(m.bills, b)
	return b
}

func (m *model) accept() bool {
	t := m.now
	if !m.live() || t.status != chat.Searching {
		return false
	}
	switch {
	case t.price == 0 || t.paid > 0:
		m.start()
	case m.openBill() != nil:
		t.status = chat.PendingPayment
	default:
		spent := min(m.credit, t.price-t.funds)
		m.credit -= spent
		t.funds += spent
		if t.funds == t.price {
			m.start()
			return true
		}
		t.status = chat.PendingPayment
		m.bill(t.price-t.funds, false)
	}
	return true
}

func (m *model) start() {
	m.now.status, m.now.left, m.now.paid = chat.Active, 0, max(m.now.paid, modelLength)
}

func (m *model) reroute() bool {
	t := m.now
	if !m.live() || !t.status.Holds() {
		return false
	}
	if t.status == chat.Active {
		t.left = -1 // whatever the clock says
	}
	t.status = chat.Searching
	t.round++
	return true
}

// over ends the talk; what it had open is closed, what was put in for nothing comes back. left is what was left of a talk that ran, if that
// is the customer's.
func (m *model) over(to chat.Status, bills payment.Status, left int) bool {
	t := m.now
	if !m.live() || !chat.May(t.status, to) {
		return false
	}
	if t.status == chat.Active {
		t.left = left
	}
	if t.paid > 0 {
		m.credit += t.funds * int64(t.left) / int64(t.paid)
	} else {
		m.credit += t.funds
	}
	for _, b := range m.bills {
		if b.of == t && b.status.Waits() {
			b.status = bills
		}
	}
	t.status, t.extended = to, nil
	return true
}

// brokenOff is what becomes of the talk when neither of its sides ends it.
func (m *model) brokenOff() chat.Status {
	if m.live() && m.now.status == chat.Active {
		return chat.Ended
	}
	return chat.Cancelled
}

func (m *model) extend(price int64) bool {
	t := m.now
	if !m.live() || t.status != chat.Active || t.extended != nil {
		return false
	}
	if price == 0 {
		t.paid += modelLength
	} else {
		t.extended = m.bill(price, true)
	}
	return true
}

// pay is money for a bill, which was not heard of before.
func (m *model) pay(b *modelBill) payment.Outcome {
	t := b.of
	first := b.status != payment.Paid
	b.status = payment.Paid
	b.charges++
	switch {
	case !first || !t.status.Live():
		m.credit += b.amount
		return payment.Credited
	case b.extension && t.extended == b:
		t.extended = nil
		t.funds += b.amount
		t.paid += modelLength
		if t.status == chat.Searching {
			t.left += modelLength
		}
		return payment.Extended
	case b.extension || t.paid > 0 || t.price == 0 || b.amount != t.price-t.funds || t.status == chat.Active:
		m.credit += b.amount
		return payment.Credited
	}
	t.funds += b.amount
	if other := m.openBill(); other != nil {
		other.status = payment.Cancelled
	}
	if t.status == chat.PendingPayment {
		m.start()
		return payment.Started
	}
	t.paid, t.left = modelLength, modelLength
	return payment.Kept
}

func (m *model) lapse(b *modelBill, to payment.Status) bool {
	if !b.status.Waits() {
		return false
	}
	b.status = to
	if b.of.extended == b {
		b.of.extended = nil
	}
	return true
}
