package gateway_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

// provocations make a live server send each close code; the socket whose close is looked at is returned.
var provocations = map[protocol.CloseCode]func(t *testing.T) *peer{
	protocol.CloseNormal: func(t *testing.T) *peer {
		p := newRig(t, gateway.Config{}, nil).connect(core.Customer)
		p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
		return p
	},
	protocol.CloseGoingAway: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{}, nil)
		p := r.connect(core.Customer)
		go r.stop()
		return p
	},
	protocol.CloseProtocolError: func(t *testing.T) *peer {
		p := newRig(t, gateway.Config{}, nil).connect(core.Customer)
		require.NoError(t, ws.WriteFrame(p.conn, ws.NewBinaryFrame(protocol.Heartbeat{}.Append(nil, 1)))) // not masked
		return p
	},
	protocol.CloseNotBinary: func(t *testing.T) *peer {
		p := newRig(t, gateway.Config{}, nil).connect(core.Customer)
		p.frame(ws.NewTextFrame([]byte("hello")))
		return p
	},
	protocol.CloseNotMsgpack: func(t *testing.T) *peer {
		p := newRig(t, gateway.Config{}, nil).connect(core.Customer)
		p.frame(ws.NewBinaryFrame([]byte{0xc1}))
		return p
	},
	protocol.CloseTooBig: func(t *testing.T) *peer {
		p := newRig(t, gateway.Config{}, nil).connect(core.Customer)
		head := []byte{0x82, 0xfe, 0, 0, 1, 2, 3, 4} // its length alone is enough
		binary.BigEndian.PutUint16(head[2:], 16385)
		_, err := p.conn.Write(head)
		require.NoError(t, err)
		return p
	},
	protocol.CloseInternal: func(t *testing.T) *peer {
		p := newRig(t, gateway.Config{}, nil).connect(core.Customer)
		p.send(&protocol.PairingRequest{RequestKey: "panic", PackageID: protocol.UUID{1}}, 1)
		return p
	},
	protocol.CloseRestart: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{Drain: 100 * time.Millisecond}, nil)
		p := r.connect(core.Customer)
		go r.Drain(t.Context())
		return p
	},
	protocol.CloseReplaced: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{}, nil)
		p := r.connect(core.Mitra)
		r.connectAs(p.who)
		return p
	},
	protocol.CloseInactive: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{}, func(w *world) {
			w.onConnect = func(id core.MitraID) (presence.Mitra, error) { return presence.Mitra{ConnectionEpoch: 1}, nil }
		})
		return r.dial(r.tokens.issue(principal(core.Mitra)))
	},
	protocol.CloseTokenExpired: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{TokenGrace: time.Millisecond}, nil)
		who := principal(core.Customer)
		who.ExpiresAt = time.Now().Add(50 * time.Millisecond)
		return r.dial(r.tokens.issue(who))
	},
	protocol.CloseUnauthenticated: func(t *testing.T) *peer { return newRig(t, gateway.Config{}, nil).dial("") },
	protocol.CloseRevoked: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{}, nil)
		return r.dial(r.tokens.refuse(core.Errorf(core.SessionRevoked, "logged out")))
	},
	protocol.CloseIdle: func(t *testing.T) *peer {
		var cfg gateway.Config
		cfg.Socket.IdleTimeout = 200 * time.Millisecond
		return newRig(t, cfg, nil).connect(core.Customer)
	},
	protocol.CloseSlow: func(t *testing.T) *peer {
		r := newRig(t, gateway.Config{}, nil)
		p := r.connect(core.Customer)
		s := chat.Session{MitraID: core.NewID[core.MitraID](), MitraName: strings.Repeat("n", 32<<10)}
		for id := int64(1); r.Stats().Socket.Closed[uint16(protocol.CloseSlow)] == 0; id++ {
			require.Less(t, id, int64(100_000))
			r.Event(event(t, id, core.SessionUpdated, p.who.ID, s))
		}
		return p
	},
	protocol.CloseRateLimited: func(t *testing.T) *peer {
		var cfg gateway.Config
		cfg.Socket.FramesPerSecond = 1
		p := newRig(t, cfg, nil).connect(core.Customer)
		var flood []byte
		for range 100 {
			flood = append(flood, ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(protocol.Heartbeat{}.Append(nil, 0))))...)
		}
		_, err := p.conn.Write(flood)
		require.NoError(t, err)
		limited := p.fails(0, protocol.CodeRateLimited)
		require.Positive(t, limited.RetryAfterMS)
		return p
	},
	protocol.CloseRetired: func(t *testing.T) *peer {
		var cfg gateway.Config
		cfg.Socket.MaxAge = 100 * time.Millisecond
		return newRig(t, cfg, nil).connect(core.Customer)
	},
}

// TestEveryCloseCode walks the table of the protocol.
func TestEveryCloseCode(t *testing.T) {
	t.Parallel()
	for _, spec := range protocol.CloseCodes {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			provoke := provocations[spec.Code]
			require.NotNil(t, provoke, "nothing makes the server send it")
			require.Equal(t, spec.Code, provoke(t).ends())
		})
	}
}
