package xendit

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// sessionOrder is the body of POST /sessions.
type sessionOrder struct {
	Reference   string   `json:"reference_id"`
	Type        string   `json:"session_type"`
	Mode        string   `json:"mode"`
	Amount      int64    `json:"amount"`
	Currency    string   `json:"currency"`
	Country     string   `json:"country"`
	ExpiresAt   string   `json:"expires_at"`
	Locale      string   `json:"locale"`
	Description string   `json:"description,omitempty"`
	Channels    []string `json:"allowed_payment_channels,omitempty"`
	SuccessURL  string   `json:"success_return_url,omitempty"`
	CancelURL   string   `json:"cancel_return_url,omitempty"`
}

// session is a payment session, as calls answer it and webhooks tell of it.
type session struct {
	ID        string    `json:"payment_session_id"`
	Reference string    `json:"reference_id"`
	Status    string    `json:"status"`
	Amount    rupiah    `json:"amount"`
	Currency  string    `json:"currency"`
	URL       string    `json:"payment_link_url"`
	ExpiresAt time.Time `json:"expires_at"`
	Request   string    `json:"payment_request_id"`
	Payment   string    `json:"payment_id"`
}

var states = map[string]payment.State{
	"ACTIVE": payment.Active, "COMPLETED": payment.Completed, "EXPIRED": payment.SessionExpired, "CANCELED": payment.SessionCanceled,
}

// checkout reads a session. A reference that is none of ours is left out.
func (s session) checkout() (payment.Checkout, error) {
	state, known := states[s.Status]
	if !known || s.ID == "" || len(s.ID) > 100 {
		return payment.Checkout{}, garbage(fmt.Sprintf("session %.100q is %.50q", s.ID, s.Status))
	}
	reference, _ := core.ParseID[core.PaymentID](s.Reference)
	return payment.Checkout{
		ID: s.ID, Reference: reference, State: state, URL: s.URL, ExpiresAt: s.ExpiresAt, Amount: int64(s.Amount), Currency: s.Currency,
		Charge: s.Payment, Request: s.Request,
	}, nil
}

// rupiah is an amount as a number, or as a number in quotes, which some events have. Parts of a rupiah do not exist.
type rupiah int64

// UnmarshalJSON implements json.Unmarshaler.
func (r *rupiah) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*r = 0
		return nil
	}
	whole, part, _ := strings.Cut(strings.Trim(string(text), `"`), ".")
	amount, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(part, "0") != "" {
		return fmt.Errorf("%.30q is no amount of rupiah", text)
	}
	*r = rupiah(amount)
	return nil
}

type refundOrder struct {
	Request   string `json:"payment_request_id"`
	Reference string `json:"reference_id"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Reason    string `json:"reason"`
}

type refund struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Failure string `json:"failure_code"`
}

func (r refund) state() (payment.RefundState, error) {
	state := payment.RefundState{ID: r.ID}
	switch r.Status {
	case "SUCCEEDED":
	case "PENDING":
		state.Pending = true
	case "FAILED", "CANCELLED":
		state.Failure = r.Status
		if r.Failure != "" {
			state.Failure = r.Failure
		}
	default:
		return state, garbage(fmt.Sprintf("refund %.100q is %.50q", r.ID, r.Status))
	}
	if r.ID == "" {
		return state, garbage("a refund without an id")
	}
	return state, nil
}

// envelope is what every webhook has around its data.
type envelope struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}
