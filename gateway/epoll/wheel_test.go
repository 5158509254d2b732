package epoll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// entry is what the wheel brought up.
type entry struct {
	key int32
	at  epoll.Tick
}

func advance(w *epoll.Wheel, to epoll.Tick) (due []entry) {
	w.Advance(to, func(key int32, at epoll.Tick) { due = append(due, entry{key, at}) })
	return due
}

func TestWheel(t *testing.T) {
	t.Parallel()

	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		var w epoll.Wheel
		_, any := w.Next()
		require.False(t, any)
		require.EqualValues(t, 5, w.Schedule(1, 5))
		require.EqualValues(t, 3, w.Schedule(2, 3))
		next, any := w.Next()
		require.True(t, any)
		require.EqualValues(t, 3, next)
		require.Empty(t, advance(&w, 2))
		require.Equal(t, []entry{{2, 3}}, advance(&w, 4))
		require.Equal(t, []entry{{1, 5}}, advance(&w, 100))
		require.Empty(t, advance(&w, 10_000))
	})

	t.Run("PastIsNextTick", func(t *testing.T) {
		t.Parallel()
		var w epoll.Wheel
		advance(&w, 50)
		require.EqualValues(t, 51, w.Schedule(1, 7))
		require.EqualValues(t, 51, w.Schedule(2, 50))
		require.Equal(t, []entry{{1, 51}, {2, 51}}, advance(&w, 51))
	})

	t.Run("FarIsLookedAtInBetween", func(t *testing.T) {
		t.Parallel()
		var w epoll.Wheel
		require.EqualValues(t, 511, w.Schedule(1, 1_000_000))
		require.Equal(t, []entry{{1, 511}}, advance(&w, 2_000_000))
		require.EqualValues(t, 2_000_511, w.Schedule(1, 3_000_000))
	})

	t.Run("ScheduledWhileAdvancing", func(t *testing.T) {
		t.Parallel()
		var w epoll.Wheel
		w.Schedule(1, 1)
		var at []epoll.Tick
		w.Advance(10, func(_ int32, tick epoll.Tick) {
			at = append(at, tick)
			w.Schedule(1, tick+4)
		})
		require.Equal(t, []epoll.Tick{1, 5, 9}, at)
		next, _ := w.Next()
		require.EqualValues(t, 13, next)
	})

	t.Run("TicksIn", func(t *testing.T) {
		t.Parallel()
		require.EqualValues(t, 0, epoll.TicksIn(0))
		require.EqualValues(t, 1, epoll.TicksIn(1))
		require.EqualValues(t, 1, epoll.TicksIn(epoll.TickLength))
		require.EqualValues(t, 2, epoll.TicksIn(epoll.TickLength+1))
		require.EqualValues(t, 450, epoll.TicksIn(45*time.Second))
	})
}

// An owner that keeps the deadlines and schedules lazily, as connections do, is woken for every deadline at its tick, never
// early, however often the deadlines move and however unevenly time passes.
func TestWheelKeepsMovingDeadlines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w epoll.Wheel
		now := epoll.Tick(0)
		deadline := map[int32]epoll.Tick{}
		look := map[int32]epoll.Tick{}
		arm := func(key int32) {
			if at := deadline[key]; at != 0 && (look[key] == 0 || at < look[key]) {
				look[key] = w.Schedule(key, at)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				key := rapid.Int32Range(0, 5).Draw(t, "key")
				deadline[key] = now + epoll.Tick(rapid.Uint32Range(1, 2000).Draw(t, "in"))
				arm(key)
			},
			"pass": func(t *rapid.T) {
				now += epoll.Tick(rapid.Uint32Range(0, 800).Draw(t, "ticks"))
				w.Advance(now, func(key int32, at epoll.Tick) {
					if look[key] != at {
						return
					}
					look[key] = 0
					if deadline[key] != 0 && deadline[key] <= now {
						deadline[key] = 0
					}
					arm(key)
				})
				for key, at := range deadline {
					require.False(t, at != 0 && at <= now, "key %d was due at %d, it is %d", key, at, now)
				}
			},
		})
	})
}
