package dispatch

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Dispatcher carries requests out and puts events into frames. It may be used concurrently.
type Dispatcher struct {
	rooms Rooms
	clock core.Clock
	log   *slog.Logger

	faults atomic.Uint64
}

// New makes a dispatcher. clock stamps server_time and judges whether an offer is still open.
func New(rooms Rooms, clock core.Clock, log *slog.Logger) *Dispatcher {
	return &Dispatcher{rooms: rooms, clock: clock, log: log}
}

// InLoop tells whether requests of the kind wait for nobody: they are handled in the connection's event loop, overtaking
// those that do.
func InLoop(kind protocol.Kind) bool {
	switch kind {
	case protocol.KindHeartbeat, protocol.KindAuthRefresh,
		protocol.KindAvailabilitySubscribe, protocol.KindAvailabilityUnsubscribe:
		return true
	}
	return false
}

// Handle carries one request out and appends its answer, if it wants one, to dst. It returns when the request is done or
// failed; requests of one connection must come one after the other. A heartbeat costs no allocation.
func (d *Dispatcher) Handle(ctx context.Context, dst []byte, from Caller, f protocol.Frame) []byte {
	who := from.Principal()
	ack, err := protocol.Ack{}, refusal(f.Kind, who.Type)
	if err == nil {
		ack, err = d.carryOut(ctx, from, f)
	}
	switch {
	case err != nil:
		failure := d.failure(err, who.Type, f.Kind)
		if f.ID != 0 {
			dst = failure.Append(dst, f.ID)
		}
	case f.ID != 0 && f.Kind != protocol.KindOfferReceived:
		dst = ack.Append(dst, f.ID)
	}
	return dst
}

// refusal says why a role may not send the kind.
func refusal(kind protocol.Kind, role core.UserType) error {
	switch protocol.Check(kind, protocol.Role(role)) {
	case "":
		return nil
	case protocol.CodeUnknownKind:
		return core.Errorf(core.UnknownKind, "there is no kind %d", uint64(kind))
	default:
		return core.Errorf(core.Forbidden, "%s is not for a %s", kind, role)
	}
}

func (d *Dispatcher) carryOut(ctx context.Context, from Caller, f protocol.Frame) (protocol.Ack, error) {
	switch f.Kind {
	case protocol.KindHeartbeat:
		return d.heartbeat(f.Body)
	case protocol.KindAuthRefresh:
		return d.authRefresh(from, f.Body)
	case protocol.KindPresenceSet:
		return d.presenceSet(ctx, from, f.Body)
	case protocol.KindAvailabilitySubscribe:
		return d.availabilitySubscribe(from, f.Body)
	case protocol.KindAvailabilityUnsubscribe:
		return d.availabilityUnsubscribe(from, f.Body)
	case protocol.KindPairingRequest:
		return d.pairingRequest(ctx, from, f.Body)
	case protocol.KindPairingCancel:
		return d.pairingCancel(ctx, from, f.Body)
	case protocol.KindOfferReceived:
		return d.offerReceived(ctx, from, f.Body)
	case protocol.KindOfferAccept:
		return d.offerAccept(ctx, from, f.Body)
	case protocol.KindOfferDecline:
		return d.offerDecline(ctx, from, f.Body)
	case protocol.KindSessionEnd:
		return d.sessionEnd(ctx, from, f.Body)
	case protocol.KindSessionExtend:
		return d.sessionExtend(ctx, from, f.Body)
	case protocol.KindSessionReroute:
		return d.sessionReroute(ctx, from, f.Body)
	case protocol.KindDeviceRegister:
		return d.deviceRegister(ctx, from, f.Body)
	case protocol.KindStateGet:
		return d.stateGet(ctx, from, f.Body)
	}
	return protocol.Ack{}, core.Errorf(core.UnknownKind, "there is no kind %d", uint64(f.Kind))
}

// Stats are counters since the start.
type Stats struct {
	Faults uint64 // requests answered INTERNAL
}

// Stats may be called at any time.
func (d *Dispatcher) Stats() Stats { return Stats{Faults: d.faults.Load()} }
