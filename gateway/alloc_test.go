//go:build !race

package gateway_test

import (
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

// The hot paths of the whole gateway, from the bytes of a socket to the bytes of its answer, allocate nothing. The race
// detector's own bookkeeping does, so it is left out here. Not parallel, since allocations are counted for the whole process.
func TestHotPathAllocatesNothing(t *testing.T) {
	t.Run("Heartbeat", func(t *testing.T) {
		p := generousRig(t).connect(core.Mitra)
		requireNoAllocations(t, p.exchange(protocol.Heartbeat{}.Append(nil, 7), protocol.Ack{}.Append(nil, 7)))
	})
	t.Run("OneWayHeartbeat", func(t *testing.T) {
		p := generousRig(t).connect(core.Mitra)
		// The answer of a ping tells that what came before it was handled.
		both := append(masked(ws.NewBinaryFrame(protocol.Heartbeat{}.Append(nil, 0))), masked(ws.NewPingFrame(nil))...)
		requireNoAllocations(t, p.raw(both, len(ws.MustCompileFrame(ws.NewPongFrame(nil)))))
	})
	t.Run("Availability", func(t *testing.T) {
		const subscribers = 200
		r := generousRig(t)
		listeners := make([]*peer, subscribers)
		for i := range listeners {
			listeners[i] = r.connect(core.Customer)
			listeners[i].send(&protocol.AvailabilitySubscribe{}, 1)
			listeners[i].expect(&protocol.Ack{}, 1)
		}
		tell := broadcasting(r, listeners)
		// One frame is made for all, and the loops are woken: that is a few allocations a broadcast and none a delivery.
		require.Less(t, testing.AllocsPerRun(20, tell), float64(subscribers)/8)
	})
}

func requireNoAllocations(t *testing.T, f func()) {
	t.Helper()
	f() // what grows once has grown
	require.Zero(t, testing.AllocsPerRun(1000, f))
}

// generousRig has limits that a benchmark does not meet.
func generousRig(t testing.TB) *rig {
	cfg := gateway.Config{Pace: time.Millisecond}
	cfg.Socket.FramesPerSecond = 1_000_000
	cfg.Socket.AcceptsPerSecond = 1_000_000
	return newRig(t, cfg, nil)
}

func masked(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }

// exchange gives a function that sends a message and takes exactly that answer.
func (p *peer) exchange(msg, answer []byte) func() {
	return p.raw(masked(ws.NewBinaryFrame(msg)), len(ws.MustCompileFrame(ws.NewBinaryFrame(answer))))
}

// raw gives a function that sends bytes and reads as many as the answer has.
func (p *peer) raw(out []byte, answer int) func() {
	require.NoError(p.t, p.conn.SetDeadline(time.Time{}))
	in := make([]byte, answer)
	return func() {
		if _, err := p.conn.Write(out); err != nil {
			p.t.Fatal(err)
		}
		if _, err := io.ReadFull(p.in, in); err != nil {
			p.t.Fatal(err)
		}
	}
}

// broadcasting gives a function that changes the number of available mitras, and waits until everybody was told.
func broadcasting(r *rig, listeners []*peer) func() {
	at := time.Now()
	n := 1
	frame := make([]byte, len(ws.MustCompileFrame(ws.NewBinaryFrame(protocol.Availability{Available: n, At: at.UnixMilli()}.Append(nil, 0)))))
	return func() {
		n = 1 + n%100            // another number of one digit of msgpack
		at = at.Add(time.Second) // younger than any before
		r.Availability(n, at)
		for _, p := range listeners {
			if _, err := io.ReadFull(p.in, frame); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}
