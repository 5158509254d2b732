package socket_test

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// The process stands still for longer than IdleTimeout, while more clients beat than one look at the poller names: nobody is
// called silent.
func TestPauseIsNoSilence(t *testing.T) {
	t.Parallel()
	cfg := generous()
	cfg.Loops, cfg.IdleTimeout = 1, 4*time.Second
	s := serve(t, cfg, newGateway())
	clients := make([]*client, 400)
	for i := range clients {
		clients[i] = connect(t, s)
	}
	paused, goOn := make(chan struct{}), make(chan struct{})
	s.Post(0, func() { close(paused); <-goOn })
	within(t, paused)
	for _, c := range clients {
		c.send(masked(0x89, nil))
	}
	time.AfterFunc(cfg.IdleTimeout+soon, func() { close(goOn) })
	for _, c := range clients {
		c.expect(ws.OpPong, nil)
	}
	require.Empty(t, s.Stats().Closed)
}
