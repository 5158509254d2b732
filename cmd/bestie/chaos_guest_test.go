package main

import (
	"errors"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// guest is one more mitra beside the crowd, who comes online, beats, takes no offer, and does not come back when its socket ends.
type guest struct {
	arena  *arena
	id     protocol.UUID
	socket *client.Socket
	closed chan protocol.CloseCode // holds the code when the socket has ended
}

// guest brings one to a stand.
func (a *arena) guest(at *stand) *guest {
	t := a.t
	t.Helper()
	api := client.NewAPI(at.public, at.internal)
	defer api.Close()
	var account client.Account
	require.NoError(t, client.Patiently(t.Context(), func() (err error) {
		account, err = api.SeedMitra(t.Context(), "+6281390000001", "Guest")
		return err
	}))
	var socket *client.Socket
	require.NoError(t, client.Patiently(t.Context(), func() (err error) {
		socket, err = client.Dial(t.Context(), client.Dialing{Target: at.public, Token: account.AccessToken})
		return err
	}))
	g := &guest{arena: a, id: account.ID, socket: socket, closed: make(chan protocol.CloseCode, 1)}
	var running sync.WaitGroup
	ended := make(chan struct{})
	running.Go(func() {
		defer close(ended)
		for {
			_, _, err := socket.Read()
			var closed *client.Closed
			if errors.As(err, &closed) {
				g.closed <- closed.Code
				return
			}
		}
	})
	running.Go(func() {
		for beat := time.NewTicker(time.Second); ; {
			select {
			case <-beat.C: // as a beat, and until it is heard
				_ = socket.Send(protocol.PresenceSet{Mode: protocol.ModeOnline}.Append(nil, 0)) // the reader sees the end
			case <-ended:
				beat.Stop()
				return
			}
		}
	})
	t.Cleanup(func() {
		socket.Cut()
		running.Wait()
	})
	return g
}

// is tells whether something holds of the guest's row.
func (g *guest) is(condition string) bool {
	return g.arena.count(`select count(*) from mitras where id = $1 and `+condition, g.id.String()) == 1
}

// counted tells whether a mirror has a heartbeat of the guest's that is fresh.
func (g *guest) counted(mirror driver.Client) bool {
	b := mirror.B()
	score, err := mirror.Do(g.arena.t.Context(), b.Zscore().Key("mitras:available").Member(g.id.String()).Build()).AsFloat64()
	return err == nil && time.Since(time.UnixMilli(int64(score))) < g.arena.times.staleLimit()
}

// leave says goodbye.
func (g *guest) leave() { g.socket.Leave(protocol.CloseNormal) }

// mustClose waits for the end of the socket.
func (g *guest) mustClose(want protocol.CloseCode) {
	g.arena.t.Helper()
	select {
	case code := <-g.closed:
		require.Equal(g.arena.t, want, code)
	case <-time.After(patience):
		require.FailNow(g.arena.t, "the guest's socket stays", "seed %d", g.arena.seed)
	}
}
