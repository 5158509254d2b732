package dispatch

import (
	"context"

	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/protocol"
)

// heartbeat does nothing: the socket told presence of the sign of life already, whatever the frame was.
func (d *Dispatcher) heartbeat(body []byte) (protocol.Ack, error) {
	var m protocol.Heartbeat
	return protocol.Ack{}, m.Decode(body)
}

func (d *Dispatcher) authRefresh(from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.AuthRefresh
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	expires, err := from.Refresh(m.Token)
	return protocol.Ack{TokenExpiresAt: millis(expires)}, err
}

func (d *Dispatcher) deviceRegister(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.DeviceRegister
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	return protocol.Ack{}, d.rooms.Devices.Register(ctx, from.Principal(), m.PushToken, push.Platform(m.Platform))
}
