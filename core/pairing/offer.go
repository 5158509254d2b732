package pairing

import (
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// OfferStatus is where an offer is in its life.
type OfferStatus string

// offered and delivered are open; the rest is final.
const (
	Offered     OfferStatus = "offered"
	Delivered   OfferStatus = "delivered" // the app's receipt came
	Accepted    OfferStatus = "accepted"
	Declined    OfferStatus = "declined"
	Expired     OfferStatus = "expired"     // delivered, and nobody answered
	Undelivered OfferStatus = "undelivered" // expired without a receipt
	Withdrawn   OfferStatus = "withdrawn"   // the mitra became unable to take it, or the customer gave up
	Lost        OfferStatus = "lost"        // another mitra was first
)

// Open tells whether the offer can still be accepted.
func (s OfferStatus) Open() bool { return s == Offered || s == Delivered }

// Offer is what a mitra is asked. It travels as the body of core.OfferMade.
type Offer struct {
	ID           core.OfferID   `json:"id"`
	SessionID    core.SessionID `json:"session_id"`
	MitraID      core.MitraID   `json:"mitra_id"`
	Minutes      int            `json:"minutes"`
	CustomerName string         `json:"customer_name"` // by customer_anonymity
	Note         string         `json:"note"`
	ExpiresAt    time.Time      `json:"expires_at"`
}

// CloseReason is what a mitra is told when an offer is gone.
type CloseReason string

// The reasons of offer.closed.
const (
	ClosedTaken     CloseReason = "taken"
	ClosedExpired   CloseReason = "expired"
	ClosedCancelled CloseReason = "cancelled"
	ClosedWithdrawn CloseReason = "withdrawn"
)

// Closed tells a mitra that an offer is gone. It travels as the body of core.OfferClosed.
type Closed struct {
	OfferID   core.OfferID   `json:"offer_id"`
	SessionID core.SessionID `json:"session_id"`
	Reason    CloseReason    `json:"reason"`
}
