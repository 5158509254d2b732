package valkey_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

// waitingMitras has n mitras wait, the first of them the longest, whose last heartbeats are that old.
func waitingMitras(r *mirrorRig, n int, old func(i int) time.Duration) []core.MitraID {
	r.t.Helper()
	ids := make([]core.MitraID, n)
	for i := range n {
		m := online(1)
		m.AvailableSince = time.UnixMilli(int64(1_000_000 + i))
		ids[i] = m.ID
		r.beat(m.ID, r.client.Now().Add(-old(i)))
		r.up(m.ID, 1)
		r.write(m)
	}
	return ids
}

func fresh(int) time.Duration { return 0 }

func TestFindAvailable(t *testing.T) {
	t.Parallel()

	t.Run("LongestWaitingFirst", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		ids := waitingMitras(r, 8, fresh)
		require.Equal(t, ids[:3], r.candidates(3))
		require.Equal(t, []core.MitraID{ids[1], ids[3], ids[4]}, r.candidates(3, ids[0], ids[2]))
		require.Equal(t, ids, r.candidates(100))
		require.Empty(t, r.candidates(5, ids...))
	})

	t.Run("PassesTheStaleHead", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		ids := waitingMitras(r, 120, func(i int) time.Duration {
			if i < 110 {
				return stale
			}
			return 0
		})
		require.Equal(t, ids[110:115], r.candidates(5))
	})

	t.Run("ForeignMemberIsPassedOver", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		ids := waitingMitras(r, 1, fresh)
		for _, text := range []string{"x", "*", "{}"} {
			r.do("ZADD", "mitras:waiting", "1", text)
			r.do("ZADD", "mitras:available", fmt.Sprint(r.client.Now().UnixMilli()), text)
		}
		require.Equal(t, ids, r.candidates(5))
	})
}

func TestIsReachable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(r *mirrorRig, m *presence.Mitra)
		want   bool
	}{
		"OK":               {func(*mirrorRig, *presence.Mitra) {}, true},
		"Finishing":        {func(_ *mirrorRig, m *presence.Mitra) { m.Mode = presence.Finishing }, true},
		"Offline":          {func(_ *mirrorRig, m *presence.Mitra) { m.Mode = presence.Offline }, false},
		"Deactivated":      {func(_ *mirrorRig, m *presence.Mitra) { m.Active = false }, false},
		"Silent":           {func(r *mirrorRig, m *presence.Mitra) { r.beat(m.ID, r.client.Now().Add(-stale)) }, false},
		"BrokenTimestamp":  {func(r *mirrorRig, m *presence.Mitra) { r.do("SET", "mitra:heartbeat:"+m.ID.String(), "soon") }, false},
		"WithoutHeartbeat": {func(r *mirrorRig, m *presence.Mitra) { r.do("DEL", "mitra:heartbeat:"+m.ID.String()) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, m := newRig(t), online(1)
			r.seed()
			r.beat(m.ID, r.client.Now())
			c.change(r, &m)
			r.write(m)
			got, err := r.mirror.IsReachable(t.Context(), m.ID)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	r, m, offline := newRig(t), online(1), online(2)
	offline.Mode = presence.Offline
	_, err := r.mirror.Heartbeats(t.Context(), []core.MitraID{m.ID})
	require.ErrorIs(t, err, presence.ErrUnseeded)
	r.seed()
	r.write(m)
	r.write(offline)
	at := r.client.Now().Truncate(time.Millisecond)
	r.beat(m.ID, at)
	r.beat(offline.ID, at.Add(-time.Minute))
	got, err := r.mirror.Heartbeats(t.Context(), []core.MitraID{offline.ID, core.NewID[core.MitraID](), m.ID})
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.True(t, got[0].Equal(at.Add(-time.Minute)), "whatever its mode")
	require.Zero(t, got[1])
	require.True(t, got[2].Equal(at))
}

func TestBeacon(t *testing.T) {
	t.Parallel()

	t.Run("ChangedOnce", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		waitingMitras(r, 2, fresh)
		first, changed, err := r.mirror.Recount(t.Context())
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, 2, first.Count)
		second, changed, err := r.mirror.Recount(t.Context())
		require.NoError(t, err)
		require.False(t, changed)
		require.False(t, second.At.Before(first.At))
		require.Equal(t, fmt.Sprintf(`{"available":2,"at":%d}`, second.At.UnixMilli()), r.do("GET", "availability:snapshot"))
		require.InDelta(t, 10_000, r.do("PTTL", "availability:snapshot"), 1000)
	})

	t.Run("LowerTimeNeverReplacesHigher", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		ahead := r.client.Now().Add(5 * time.Second).UnixMilli()
		r.do("SET", "availability:snapshot", fmt.Sprintf(`{"available":7,"at":%d}`, ahead))
		now, changed, err := r.mirror.Recount(t.Context())
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, ahead, now.At.UnixMilli())
	})

	t.Run("SnapshotFirst", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		r.do("SET", "availability:snapshot", `{"available":7,"at":1700000000000}`)
		now, err := r.mirror.Available(t.Context())
		require.NoError(t, err)
		require.Equal(t, presence.Availability{Count: 7, At: time.UnixMilli(1700000000000)}, now)
	})

	for name, text := range map[string]string{"Broken": "{", "Negative": `{"available":-1,"at":5}`, "Empty": ""} {
		t.Run(name+"SnapshotIsCountedAnew", func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.seed()
			waitingMitras(r, 1, fresh)
			r.do("SET", "availability:snapshot", text)
			now, err := r.mirror.Available(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, now.Count)
		})
	}
}

func TestErrUnseeded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	waitingMitras(r, 1, fresh)
	for name, read := range map[string]func() error{
		"Available": func() error { _, err := r.mirror.Available(t.Context()); return err },
		"Find":      func() error { _, err := r.mirror.FindAvailable(t.Context(), 1, nil); return err },
		"Reachable": func() error { _, err := r.mirror.IsReachable(t.Context(), online(1).ID); return err },
		"Counts":    func() error { _, err := r.mirror.Counts(t.Context()); return err },
		"Recount":   func() error { _, _, err := r.mirror.Recount(t.Context()); return err },
	} {
		for range 4 {
			require.ErrorIs(t, read(), presence.ErrUnseeded, name)
		}
	}
	require.Nil(t, r.do("GET", "availability:snapshot"))
	require.True(t, r.mirror.Up(), "not for the breaker")
	r.seed()
	require.Equal(t, 1, r.count())
}

func TestWrongTypeIsAnErrorAndNoOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.seed()
	r.do("SET", "mitras:waiting", "x")
	for range 5 {
		_, err := r.mirror.FindAvailable(t.Context(), 1, nil)
		require.Error(t, err)
		require.False(t, errors.Is(err, presence.ErrDown))
	}
	require.True(t, r.mirror.Up())
}
