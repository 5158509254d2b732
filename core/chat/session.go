package chat

import (
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// EndReason says why a session is over.
type EndReason string

// The reasons of domain.md.
const (
	ReasonExpired        EndReason = "expired"
	ReasonCustomer       EndReason = "customer"
	ReasonMitra          EndReason = "mitra"
	ReasonOperator       EndReason = "operator"
	ReasonPaymentTimeout EndReason = "payment_timeout"
	ReasonNoMitra        EndReason = "no_mitra"
	ReasonAccountDeleted EndReason = "account_deleted"
	ReasonDeactivated    EndReason = "deactivated"
)

// Session is one row of chat_sessions as its two sides may come to see it; dispatch leaves out what a mitra must not see
// (price, payment). It also travels as the body of core.SessionUpdated. Zero times and ids mean "not set".
type Session struct {
	ID           core.SessionID  `json:"id"`
	Version      int64           `json:"version"` // only grows; everything that changes here bumps it
	Status       Status          `json:"status"`
	CustomerID   core.CustomerID `json:"customer_id"`
	CustomerName string          `json:"customer_name"` // as mitras may see it, by customer_anonymity
	MitraID      core.MitraID    `json:"mitra_id"`
	MitraName    string          `json:"mitra_name"`
	PackageID    core.PackageID  `json:"package_id"`
	Minutes      int             `json:"minutes"`
	Price        int64           `json:"price"` // rupiah, fixed when the session was asked for
	Note         string          `json:"note"`
	Payment      *Payment        `json:"payment,omitempty"`
	CreatedAt    time.Time       `json:"created_at"`
	StartedAt    time.Time       `json:"started_at"`
	EndsAt       time.Time       `json:"ends_at"`
	DeadlineAt   time.Time       `json:"deadline_at"` // the one that ends the status
	EndingSoon   bool            `json:"ending_soon"`
	EndReason    EndReason       `json:"end_reason"`
}

// Payment is what a customer sees of the money that a session waits for.
type Payment struct {
	ID          core.PaymentID `json:"id"`
	Status      string         `json:"status"` // opening, open, paid, expired, cancelled, failed, refunded
	CheckoutURL string         `json:"checkout_url"`
	ExpiresAt   time.Time      `json:"expires_at"`
}

// Package is a length of talk that can be bought.
type Package struct {
	ID      core.PackageID
	Name    string
	Minutes int
	Price   int64 // rupiah; 0: free
}

// StateError is WRONG_STATE or SESSION_LIVE together with the session that stands in the way, which the answer carries.
type StateError struct {
	Err     *core.Error
	Session Session
}

// Error is the code's text.
func (e *StateError) Error() string { return e.Err.Error() }

// Unwrap leads to the core.Error, so that core.CodeOf finds the code.
func (e *StateError) Unwrap() error { return e.Err }
