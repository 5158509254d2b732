package presence

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestAliveAllocatesNothing(t *testing.T) {
	s := newService().Service
	ids := make([]core.MitraID, 1000)
	for i := range ids {
		ids[i] = core.NewID[core.MitraID]()
	}
	beat := func() {
		for _, id := range ids {
			s.Alive(id)
		}
	}
	for range 2 { // both halves of the buffer grow once
		beat()
		s.gathered.take(func(core.MitraID) {})
	}
	require.Zero(t, testing.AllocsPerRun(20, func() {
		beat()
		s.gathered.take(func(core.MitraID) {})
	}))
}

func TestGatheredLosesNobody(t *testing.T) {
	t.Parallel()
	g := new(gathered)
	const loops, each = 8, 500
	var writers sync.WaitGroup
	for range loops {
		writers.Go(func() {
			for range each {
				g.add(core.NewID[core.MitraID]())
			}
		})
	}
	stop, taken := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				g.take(func(core.MitraID) { n++ })
				taken <- n
				return
			default:
				g.take(func(core.MitraID) { n++ })
			}
		}
	}()
	writers.Wait()
	close(stop)
	require.Equal(t, loops*each, <-taken)
}

func TestSocketsEpochs(t *testing.T) {
	t.Parallel()
	id := core.NewID[core.MitraID]()
	at := time.Unix(100, 0)
	drop := func(epoch int64) Dropped { return Dropped{Socket: Socket{id, epoch}, At: at} }

	t.Run("LateDropOfTheOldOne", func(t *testing.T) {
		t.Parallel()
		s := newSockets()
		s.opened(Socket{id, 1}, at)
		s.opened(Socket{id, 2}, at)
		require.False(t, s.dropped(drop(1)))
		up, down, _ := s.take()
		require.Equal(t, []raised{{Socket{id, 2}, true}}, up)
		require.Empty(t, down)
	})

	t.Run("DroppedBeforeItWasTold", func(t *testing.T) {
		t.Parallel()
		s := newSockets()
		s.opened(Socket{id, 1}, at)
		require.True(t, s.dropped(drop(1)))
		up, down, _ := s.take()
		require.Empty(t, up)
		require.Equal(t, []Dropped{drop(1)}, down)
	})

	t.Run("GiveBackKeepsOnlyWhatIsStillSo", func(t *testing.T) {
		t.Parallel()
		s := newSockets()
		s.opened(Socket{id, 1}, at)
		up, _, _ := s.take()
		s.dropped(drop(1))
		s.giveBack(up, nil)
		up, down, _ := s.take()
		require.Empty(t, up)
		require.Len(t, down, 1)
		s.opened(Socket{id, 2}, at)
		s.giveBack(nil, down)
		up, down, _ = s.take()
		require.Equal(t, []raised{{Socket{id, 2}, true}}, up)
		require.Empty(t, down)
	})

	t.Run("Resend", func(t *testing.T) {
		t.Parallel()
		s := newSockets()
		s.opened(Socket{id, 4}, at)
		s.take()
		s.heard(map[core.MitraID]time.Time{id: at.Add(time.Second)})
		s.resend()
		up, _, beats := s.take()
		require.Equal(t, []raised{{Socket{id, 4}, true}}, up)
		require.Equal(t, []Heartbeat{{id, at.Add(time.Second)}}, beats)
	})

	t.Run("Confirm", func(t *testing.T) {
		t.Parallel()
		s := newSockets()
		s.opened(Socket{id, 4}, at)
		s.confirm()
		up, _, _ := s.take()
		require.Equal(t, []raised{{Socket{id, 4}, true}}, up, "more was asked already")
		s.confirm()
		up, _, beats := s.take()
		require.Equal(t, []raised{{Socket{id, 4}, false}}, up)
		require.Empty(t, beats)
	})
}

// What is forgotten is not taken, however often it was added: a beat must not follow its socket's end.
func TestGatheredForgets(t *testing.T) {
	t.Parallel()
	g := new(gathered)
	gone, stays := core.NewID[core.MitraID](), core.NewID[core.MitraID]()
	stays[15] = gone[15] // the same shard
	for _, id := range []core.MitraID{gone, stays, gone} {
		g.add(id)
	}
	g.forget(gone)
	var taken []core.MitraID
	g.take(func(id core.MitraID) { taken = append(taken, id) })
	require.Equal(t, []core.MitraID{stays}, taken)
}
