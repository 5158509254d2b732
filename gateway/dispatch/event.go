package dispatch

import (
	"encoding/json"
	"fmt"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// Event appends the frame that an event is to a viewer of that role: once for all the sockets of a user. Nothing is
// appended for an offer whose time is over. The error means that the event cannot be read or is none of those that
// travel on: it is to be counted and dropped.
func (d *Dispatcher) Event(dst []byte, e core.Event, viewer core.UserType) ([]byte, error) {
	switch e.Kind {
	case core.SessionUpdated:
		session, err := body[chat.Session](e)
		if err != nil {
			return dst, err
		}
		return sessionUpdate(session, viewer, d.clock()).Append(dst, 0), nil
	case core.OfferMade:
		offer, err := body[pairing.Offer](e)
		now := d.clock()
		if err != nil || !now.Before(offer.ExpiresAt) {
			return dst, err
		}
		return offerView(offer, now).Append(dst, 0), nil
	case core.OfferClosed:
		closed, err := body[pairing.Closed](e)
		if err != nil {
			return dst, err
		}
		return offerClosed(closed).Append(dst, 0), nil
	case core.PresenceChanged:
		change, err := body[presence.Change](e)
		if err != nil {
			return dst, err
		}
		return presenceUpdate(change).Append(dst, 0), nil
	}
	return dst, fmt.Errorf("event %d: kind %q is not for the wire", e.ID, e.Kind)
}

// body reads what an event is about.
func body[T any](e core.Event) (T, error) {
	var b T
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return b, fmt.Errorf("event %d: body of %s: %w", e.ID, e.Kind, err)
	}
	return b, nil
}
