package dispatch

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/protocol"
)

func (d *Dispatcher) pairingRequest(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.PairingRequest
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	session, err := d.rooms.Pairing.Request(ctx, pairing.Request{
		CustomerID: from.Principal().Customer(),
		Key:        m.RequestKey,
		PackageID:  core.PackageID(m.PackageID),
		Note:       m.Note,
	})
	return d.ackSession(from, session, err)
}

func (d *Dispatcher) pairingCancel(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.PairingCancel
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	session, err := d.rooms.Pairing.Cancel(ctx, core.SessionID(m.SessionID), from.Principal().Customer())
	return d.ackSession(from, session, err)
}

func (d *Dispatcher) offerReceived(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.OfferReceived
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	return protocol.Ack{}, d.rooms.Pairing.Received(ctx, core.OfferID(m.OfferID), from.Principal().Mitra())
}

func (d *Dispatcher) offerAccept(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.OfferAccept
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	epoch, err := from.Claim(ctx)
	if err != nil {
		return protocol.Ack{}, err
	}
	session, err := d.rooms.Pairing.Accept(ctx, core.OfferID(m.OfferID), from.Principal().Mitra(), epoch)
	return d.ackSession(from, session, err)
}

func (d *Dispatcher) offerDecline(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.OfferDecline
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	return protocol.Ack{}, d.rooms.Pairing.Decline(ctx, core.OfferID(m.OfferID), from.Principal().Mitra(), m.Reason)
}

// offerView is an offer as its mitra sees it.
func offerView(o pairing.Offer, now time.Time) protocol.Offer {
	return protocol.Offer{
		OfferID:         protocol.UUID(o.ID),
		SessionID:       protocol.UUID(o.SessionID),
		DurationMinutes: o.Minutes,
		CustomerName:    o.CustomerName,
		Note:            o.Note,
		ExpiresAt:       millis(o.ExpiresAt),
		ServerTime:      millis(now),
	}
}

// offerClosed is core.OfferClosed on the wire.
func offerClosed(c pairing.Closed) protocol.OfferClosed {
	return protocol.OfferClosed{
		OfferID: protocol.UUID(c.OfferID), SessionID: protocol.UUID(c.SessionID), Reason: protocol.OfferCloseReason(c.Reason),
	}
}

// Position appends the frame that tells a customer its place in the queue.
func Position(dst []byte, session core.SessionID, position int, at time.Time) []byte {
	return protocol.Queue{SessionID: protocol.UUID(session), Position: position, At: millis(at)}.Append(dst, 0)
}
