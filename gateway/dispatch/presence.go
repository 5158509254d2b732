package dispatch

import (
	"context"

	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/protocol"
)

// presenceSet answers with the mode that came of it: finishing without a session is offline at once.
func (d *Dispatcher) presenceSet(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.PresenceSet
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	epoch, err := from.Claim(ctx)
	if err != nil {
		return protocol.Ack{}, err
	}
	mitra, err := d.rooms.Presence.SetMode(ctx, from.Principal().Mitra(), presence.Mode(m.Mode), epoch)
	return protocol.Ack{Mode: protocol.Mode(mitra.Mode)}, err
}

func (d *Dispatcher) availabilitySubscribe(from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.AvailabilitySubscribe
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	now := from.Subscribe()
	at := now.At
	if at.IsZero() { // nobody has counted yet
		at = d.clock()
	}
	return protocol.Ack{Available: &now.Count, At: millis(at)}, nil
}

func (d *Dispatcher) availabilityUnsubscribe(from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.AvailabilityUnsubscribe
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	from.Unsubscribe()
	return protocol.Ack{}, nil
}

// presenceUpdate is core.PresenceChanged on the wire.
func presenceUpdate(c presence.Change) protocol.PresenceUpdate {
	return protocol.PresenceUpdate{
		Mode: protocol.Mode(c.Mode), Reason: protocol.PresenceReason(c.Reason), Version: c.Version, At: millis(c.At),
	}
}
