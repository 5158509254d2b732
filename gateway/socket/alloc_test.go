//go:build !race

package socket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The race detector's own bookkeeping around system calls allocates, so it is left out here. Not parallel, since allocations are
// counted for the whole process.
func TestHotPathAllocatesNothing(t *testing.T) {
	t.Run("Heartbeat", func(t *testing.T) {
		r := newRig(t)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			r.send(t, heartbeat)
			if string(r.receive(t)) != "\x82\x03\x92\x01\x00" {
				t.Fatal("wrong echo")
			}
		}))
	})
	t.Run("Ping", func(t *testing.T) {
		r := newRig(t)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			r.send(t, []byte{0x89, 0x80, 0, 0, 0, 0})
			r.receive(t)
		}))
	})
	t.Run("SendLatest", func(t *testing.T) {
		r := newRig(t)
		frame := Share([]byte("64 bytes would be usual"))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			r.conn.SendLatest(frame)
			r.receive(t)
		}))
	})
	t.Run("LookedAtInVain", func(t *testing.T) {
		r := newRig(t)
		r.loop.Schedule(0, 1) // grow the slot
		require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { r.loop.Due(0, r.conn.look) }), 1.0)
	})
}
