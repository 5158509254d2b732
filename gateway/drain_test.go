package gateway_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

func TestDrain(t *testing.T) {
	t.Parallel()
	const drain = time.Second
	slow := newGate()
	r := newRig(t, gateway.Config{Drain: drain}, func(w *world) {
		w.onCancel = func(ctx context.Context, id core.SessionID) (chat.Session, error) {
			slow.pass(ctx)
			return chat.Session{ID: id}, nil
		}
	})
	var peers []*peer
	for range 20 {
		peers = append(peers, r.connect(core.Customer))
	}
	// One of them waits for an answer that comes late.
	working := peers[0]
	working.send(&protocol.PairingCancel{SessionID: protocol.UUID(core.NewID[core.SessionID]())}, 7)
	slow.await(t)
	require.False(t, r.Draining())

	began := time.Now()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.Drain(t.Context())
	}()
	type going struct {
		told   time.Duration
		closed time.Time
	}
	gone := make([]going, len(peers))
	var all sync.WaitGroup
	for i, p := range peers {
		all.Go(func() {
			var m protocol.Draining
			p.expect(&m, 0)
			if p == working { // its answer is late, so it goes later than it was told
				late := time.Duration(m.ReconnectAfterMS)*time.Millisecond + 100*time.Millisecond
				defer time.AfterFunc(min(late, drain/2), slow.release).Stop()
				p.expect(new(protocol.Ack), 7)
			}
			require.Equal(t, protocol.CloseRestart, p.ends())
			gone[i] = going{time.Duration(m.ReconnectAfterMS) * time.Millisecond, time.Now()}
		})
	}
	require.Eventually(t, r.Draining, patience, time.Millisecond)
	_, err := r.upgrade("/ws", http.Header{"Authorization": {"Bearer " + r.tokens.issue(principal(core.Mitra))}}, protocol.Subprotocol)
	require.ErrorIs(t, err, ws.StatusError(http.StatusServiceUnavailable))

	all.Wait()
	early := 0
	for _, g := range gone {
		require.Less(t, g.told, drain)
		require.WithinDuration(t, began.Add(g.told), g.closed, 600*time.Millisecond, "closed at the pace that was told")
		if g.told < drain/2 {
			early++
		}
	}
	require.NotZero(t, early, "spread over the whole time")
	require.Less(t, early, len(peers), "spread over the whole time")
	<-drained
	require.Less(t, time.Since(began), drain+time.Second)
	require.Zero(t, r.Stats().Connections)
}

func TestDrainEnds(t *testing.T) {
	t.Parallel()
	t.Run("OK nobody is there", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, gateway.Config{Drain: time.Hour}, nil)
		r.Drain(t.Context())
		require.True(t, r.Draining())
	})
	t.Run("OK its context ends; the rest is closed by the end of Run", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, gateway.Config{Drain: time.Hour}, nil)
		p := r.connect(core.Customer)
		ctx, cancel := context.WithCancel(t.Context())
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			r.Drain(ctx)
		}()
		p.expect(new(protocol.Draining), 0)
		cancel()
		<-drained
		r.stop()
		require.Equal(t, protocol.CloseGoingAway, p.ends())
	})
}

func TestRunWaitsForRequests(t *testing.T) {
	t.Parallel()
	slow, ended := newGate(), make(chan error, 1)
	r := newRig(t, gateway.Config{}, func(w *world) {
		w.onCancel = func(ctx context.Context, _ core.SessionID) (chat.Session, error) {
			slow.pass(ctx)
			ended <- ctx.Err()
			return chat.Session{}, ctx.Err()
		}
	})
	p := r.connect(core.Customer)
	p.send(&protocol.PairingCancel{SessionID: protocol.UUID(core.NewID[core.SessionID]())}, 1)
	slow.await(t)
	r.stop()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled, "it got its moment first")
	default:
		require.Fail(t, "a request outlived the server")
	}
}
