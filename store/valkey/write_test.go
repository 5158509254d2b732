package valkey_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

func TestWriteThrough(t *testing.T) {
	t.Parallel()

	t.Run("WaitsWithASocket", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		at := r.client.Now()
		r.beat(m.ID, at)
		r.up(m.ID, 3)

		outcome := r.write(m)

		require.Equal(t, presence.Outcome{Changed: outcome.Changed, Socket: true}, outcome)
		id := m.ID.String()
		require.EqualValues(t, 1, r.do("SISMEMBER", "mitras:online", id))
		require.EqualValues(t, 0, r.do("SISMEMBER", "mitras:deactivated", id))
		require.Equal(t, "0", r.do("GET", "mitra:capacity:"+id))
		require.Equal(t, at.UTC().Format("2006-01-02T15:04:05.000Z"), r.do("GET", "mitra:heartbeat:"+id))
		require.Equal(t, at.UnixMilli(), r.score("mitras:available", m.ID), "the heartbeat")
		require.Equal(t, m.AvailableSince.UnixMilli(), r.score("mitras:waiting", m.ID))
		require.Equal(t, "3", r.epoch(m.ID))
		require.Equal(t, "1", r.do("HGET", "mitras:version", id))
	})

	t.Run("NoSocketCountsForTheGrace", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		at := r.client.Now()
		r.beat(m.ID, at)

		require.False(t, r.write(m).Socket)

		require.Equal(t, at.Add(grace-stale).UnixMilli(), r.score("mitras:available", m.ID))
		require.Nil(t, r.score("mitras:waiting", m.ID))
	})

	t.Run("NoHeartbeatDoesNotCount", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		r.seed()
		r.up(m.ID, 1)

		require.True(t, r.write(m).Unheard)
		require.Zero(t, r.count())

		r.beat(m.ID, r.client.Now())
		require.Equal(t, 1, r.count())
	})

	t.Run("FinishingIsOnlineButNotAvailable", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		r.beat(m.ID, r.client.Now())
		r.up(m.ID, 1)
		r.write(m)

		m.Mode, m.Version = presence.Finishing, 2
		r.write(m)

		require.EqualValues(t, 1, r.do("SISMEMBER", "mitras:online", m.ID.String()))
		require.Nil(t, r.score("mitras:available", m.ID))
		require.Nil(t, r.score("mitras:waiting", m.ID))
	})

	t.Run("OfflineForgetsTheHeartbeat", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		r.beat(m.ID, r.client.Now())
		r.write(m)

		m.Mode, m.Version = presence.Offline, 2
		r.write(m)

		require.EqualValues(t, 0, r.do("SISMEMBER", "mitras:online", m.ID.String()))
		require.Nil(t, r.do("GET", "mitra:heartbeat:"+m.ID.String()))
	})

	t.Run("ErrLate", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(5)
		r.write(m)
		late := m
		late.Version, late.Mode = 4, presence.Offline

		require.EqualValues(t, 5, r.write(late).Held)
		require.EqualValues(t, 1, r.do("SISMEMBER", "mitras:online", m.ID.String()))
	})
}

func TestCapacityOverTheSessionsLife(t *testing.T) {
	t.Parallel()
	r, m := newRig(t), online(1)
	m.MaxCapacity = 2
	r.seed()
	r.beat(m.ID, r.client.Now())
	r.up(m.ID, 1)

	for _, step := range []struct {
		capacity, available int
	}{{0, 1}, {1, 1}, {2, 0}, {1, 1}, {0, 1}} { // two accepts, then two ends
		m.Capacity = step.capacity
		m.Version++
		r.write(m)
		require.Equal(t, []string{"0", "1", "2"}[step.capacity], r.do("GET", "mitra:capacity:"+m.ID.String()))
		require.Equal(t, step.available, r.count())
		require.Len(t, r.candidates(5), step.available)
	}
}

// Two instances mirror the transitions of one mitra in whatever order: the last one's state stands.
func TestWritersInAnyOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		id := core.NewID[core.MitraID]()
		_, err := r.mirror.Beat(ctx, []presence.Heartbeat{{MitraID: id, At: r.client.Now()}})
		require.NoError(t, err)
		_, err = r.mirror.SocketsUp(ctx, []presence.Socket{{MitraID: id, Epoch: 1}})
		require.NoError(t, err)
		states := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) presence.Mitra {
			return presence.Mitra{
				ID:             id,
				Mode:           rapid.SampledFrom([]presence.Mode{presence.Online, presence.Finishing, presence.Offline}).Draw(t, "mode"),
				Active:         rapid.Bool().Draw(t, "active"),
				Capacity:       rapid.IntRange(0, 2).Draw(t, "capacity"),
				MaxCapacity:    2,
				AvailableSince: time.UnixMilli(rapid.Int64Range(1, 1e12).Draw(t, "since")),
			}
		}), 1, 6).Draw(t, "states")
		order := make([]presence.Mitra, len(states))
		for i := range states {
			states[i].Version = int64(i + 1)
			order[i] = states[i]
		}
		for _, m := range rapid.Permutation(order).Draw(t, "order") {
			_, err := r.mirror.Write(ctx, []presence.Mitra{m}, presence.Through, nil)
			require.NoError(t, err)
		}

		last := states[len(states)-1]
		require.Equal(t, last.IsOnline(), r.do("SISMEMBER", "mitras:online", id.String()) == int64(1))
		require.Equal(t, last.Active, r.do("SISMEMBER", "mitras:deactivated", id.String()) == int64(0))
		require.Equal(t, []string{"0", "1", "2"}[last.Capacity], r.do("GET", "mitra:capacity:"+id.String()))
		require.Equal(t, last.Takes(), r.score("mitras:available", id) != nil)
		if last.Takes() {
			require.Equal(t, last.AvailableSince.UnixMilli(), r.score("mitras:waiting", id))
		} else {
			require.Nil(t, r.score("mitras:waiting", id))
		}
	})
}

func TestWriteMany(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.seed()
	mitras := make([]presence.Mitra, 1234)
	beats := make([]presence.Heartbeat, len(mitras))
	sockets := make([]presence.Socket, len(mitras))
	for i := range mitras {
		mitras[i] = online(1)
		beats[i] = presence.Heartbeat{MitraID: mitras[i].ID, At: r.client.Now()}
		sockets[i] = presence.Socket{MitraID: mitras[i].ID, Epoch: 1}
	}
	_, err := r.mirror.Beat(t.Context(), beats)
	require.NoError(t, err)
	_, err = r.mirror.SocketsUp(t.Context(), sockets)
	require.NoError(t, err)
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			outcomes, err := r.mirror.Write(t.Context(), mitras, presence.Through, nil)
			require.NoError(t, err)
			require.Len(t, outcomes, len(mitras))
		})
	}
	writers.Wait()
	require.Equal(t, len(mitras), r.count())
	counts, err := r.mirror.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, presence.Counts{Online: 1234, Available: 1234, Waiting: 1234, Sockets: 1234, Whole: true}, counts)
}

func TestMend(t *testing.T) {
	t.Parallel()

	t.Run("SameChangesNothing", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		r.beat(m.ID, r.client.Now())
		r.up(m.ID, 1)
		r.write(m)
		require.Zero(t, r.mend(m, 0).Changed)
	})

	t.Run("Drift", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		r.beat(m.ID, r.client.Now())
		r.up(m.ID, 1)
		r.write(m)
		id := m.ID.String()
		r.do("SADD", "mitras:deactivated", id)
		r.do("SREM", "mitras:online", id)
		r.do("SET", "mitra:capacity:"+id, "-7")
		r.do("ZREM", "mitras:waiting", id)

		require.Equal(t, 4, r.mend(m, 0).Changed)
		require.Zero(t, r.mend(m, 0).Changed)
		require.Equal(t, "0", r.do("GET", "mitra:capacity:"+id))
		require.Equal(t, []core.MitraID{m.ID}, func() []core.MitraID { r.seed(); return r.candidates(1) }())
	})

	t.Run("SilentDoesNotWait", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		r.beat(m.ID, r.client.Now().Add(-grace))
		r.up(m.ID, 1)
		r.mend(m, 0)
		require.Nil(t, r.score("mitras:waiting", m.ID))
		require.NotNil(t, r.score("mitras:available", m.ID))
	})

	t.Run("RestoredDatabase", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(9)
		r.write(m)
		m.Version, m.Mode = 4, presence.Offline

		require.EqualValues(t, 9, r.mend(m, 0).Held)
		require.EqualValues(t, 9, r.mend(m, 8).Held, "another version than the one that was looked up")
		require.Zero(t, r.mend(m, 9).Held)
		require.Equal(t, "4", r.do("HGET", "mitras:version", m.ID.String()))
		require.EqualValues(t, 0, r.do("SISMEMBER", "mitras:online", m.ID.String()))
	})

	t.Run("WrongTypes", func(t *testing.T) {
		t.Parallel()
		r, m := newRig(t), online(1)
		id := m.ID.String()
		r.beat(m.ID, r.client.Now())
		for _, key := range []string{"mitras:online", "mitras:deactivated", "mitras:available", "mitras:waiting", "mitras:sockets", "mitras:version"} {
			r.do("SET", key, "x")
		}
		r.do("DEL", "mitra:capacity:"+id, r.prefix+"mitra:heartbeat:"+id)
		r.do("LPUSH", "mitra:capacity:"+id, "x")
		r.do("LPUSH", "mitra:heartbeat:"+id, "x")

		spoiled, err := r.mirror.Sound(t.Context())
		require.NoError(t, err)
		require.Len(t, spoiled, 6)
		r.mend(m, 0)

		require.EqualValues(t, 1, r.do("SISMEMBER", "mitras:online", id))
		require.Equal(t, "0", r.do("GET", "mitra:capacity:"+id))
		require.Nil(t, r.do("GET", "mitra:heartbeat:"+id))
		require.Equal(t, int64(0), r.score("mitras:available", m.ID))
	})
}
