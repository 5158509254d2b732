package dispatch

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/protocol"
)

func (d *Dispatcher) stateGet(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.StateGet
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	who := from.Principal()
	if who.Type == core.Customer {
		state, err := d.CustomerState(ctx, who)
		return protocol.Ack{State: state}, err
	}
	mitra, err := d.rooms.Presence.Mitra(ctx, who.Mitra())
	if err != nil {
		return protocol.Ack{}, err
	}
	state, err := d.MitraState(ctx, who, mitra)
	return protocol.Ack{State: state}, err
}

// MitraState reads the whole truth that concerns a mitra, whose row the caller has read before. UNAVAILABLE.
func (d *Dispatcher) MitraState(ctx context.Context, who core.Principal, mitra presence.Mitra) (*protocol.State, error) {
	offers, err := d.rooms.Pairing.Open(ctx, who.Mitra())
	if err != nil {
		return nil, err
	}
	sessions, err := d.rooms.Chat.Live(ctx, who)
	if err != nil {
		return nil, err
	}
	now := d.clock()
	state := &protocol.MitraState{
		Mode:        protocol.Mode(mitra.Mode),
		Capacity:    mitra.Capacity,
		MaxCapacity: mitra.MaxCapacity,
		Offers:      make([]protocol.Offer, 0, len(offers)),
		Sessions:    make([]protocol.Session, 0, len(sessions)),
	}
	for _, offer := range offers {
		state.Offers = append(state.Offers, offerView(offer, now))
	}
	for _, session := range sessions {
		state.Sessions = append(state.Sessions, *sessionView(session, core.Mitra, now))
	}
	return &protocol.State{Mitra: state}, nil
}

// CustomerState reads the whole truth that concerns a customer. UNAVAILABLE.
func (d *Dispatcher) CustomerState(ctx context.Context, who core.Principal) (*protocol.State, error) {
	sessions, err := d.rooms.Chat.Live(ctx, who)
	if err != nil {
		return nil, err
	}
	state := &protocol.CustomerState{Available: d.rooms.Beacon.Available().Count}
	if len(sessions) > 0 {
		state.Session = sessionView(sessions[0], core.Customer, d.clock())
	}
	return &protocol.State{Customer: state}, nil
}

// Greeting is what welcome says besides the state.
type Greeting struct {
	Conn             core.ConnID
	Who              core.Principal
	HeartbeatSeconds int
	MaxMessageBytes  int
}

// Welcome appends the first frame of a connection. state is nil while it cannot be read.
func (d *Dispatcher) Welcome(dst []byte, g Greeting, state *protocol.State) []byte {
	return protocol.Welcome{
		Protocol:         protocol.Subprotocol,
		ConnectionID:     protocol.UUID(g.Conn),
		UserID:           protocol.UUID(g.Who.ID),
		UserType:         protocol.Role(g.Who.Type),
		ServerTime:       millis(d.clock()),
		HeartbeatSeconds: g.HeartbeatSeconds,
		MaxMessageBytes:  g.MaxMessageBytes,
		TokenExpiresAt:   millis(g.Who.ExpiresAt),
		State:            state,
	}.Append(dst, 0)
}
