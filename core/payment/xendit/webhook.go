package xendit

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Authentic implements payment.Reader. Hashes are compared, so that not even the length of the token is told by time.
func (c *Client) Authentic(token string) bool {
	given, ours := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(c.cfg.CallbackToken))
	return c.cfg.CallbackToken != "" && subtle.ConstantTimeCompare(given[:], ours[:]) == 1
}

// Read implements payment.Reader.
func (c *Client) Read(body []byte) (payment.Notice, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return payment.Notice{}, fmt.Errorf("not a webhook: %w", err)
	}
	n := payment.Notice{Event: core.FirstChars(e.Event, 100)}
	switch kind, what, _ := strings.Cut(e.Event, "."); kind {
	case "payment_session":
		return readSession(n, what, e.Data)
	case "payment":
		// An attempt within a session. What it means for the session, the session tells.
		n.Hint = true
		n.Named = referenceOf(e.Data)
		n.Reference, _ = core.ParseID[core.PaymentID](n.Named)
	case "refund":
		n.Named = referenceOf(e.Data)
		n.Refund, _ = core.ParseID[core.RefundID](n.Named)
	}
	return n, nil
}

// readSession takes what a session's webhook says; the event and the status must say the same.
func readSession(n payment.Notice, what string, data json.RawMessage) (payment.Notice, error) {
	var s session
	if err := json.Unmarshal(data, &s); err != nil {
		return n, fmt.Errorf("a session's webhook: %w", err)
	}
	n.Named = core.FirstChars(s.Reference, 100)
	said := map[string]payment.State{"completed": payment.Completed, "expired": payment.SessionExpired, "canceled": payment.SessionCanceled}[what]
	checkout, err := s.checkout()
	switch {
	case err != nil:
		return n, err
	case said == "":
		return n, nil // of another kind: none of ours
	case checkout.State != said:
		return n, fmt.Errorf("a session's webhook says %.50q and %.50q", what, s.Status)
	}
	n.Checkout = checkout
	return n, nil
}

// referenceOf is the reference_id of an event's data, "" when there is none.
func referenceOf(data json.RawMessage) string {
	var of struct {
		Reference string `json:"reference_id"`
	}
	_ = json.Unmarshal(data, &of) // another product's may be anything
	return core.FirstChars(of.Reference, 100)
}
