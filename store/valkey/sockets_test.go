package valkey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

func TestBeat(t *testing.T) {
	t.Parallel()

	t.Run("OnlyTheAvailableAreIndexed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.beat(online(1).ID, r.client.Now())
		require.EqualValues(t, 0, r.do("ZCARD", "mitras:available"))
	})

	t.Run("NamesTheDeactivated", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		gone, beats := online(1), []presence.Heartbeat{}
		gone.Active = false
		r.write(gone)
		for range 1500 {
			beats = append(beats, presence.Heartbeat{MitraID: core.NewID[core.MitraID](), At: r.client.Now()})
		}
		beats[1200].MitraID = gone.ID
		deactivated, err := r.mirror.Beat(t.Context(), beats)
		require.NoError(t, err)
		require.Equal(t, []core.MitraID{gone.ID}, deactivated)
	})
}

func TestSockets(t *testing.T) {
	t.Parallel()
	waiting := func(t *testing.T, epoch int64) (*mirrorRig, presence.Mitra) {
		r, m := newRig(t), online(1)
		r.seed()
		r.beat(m.ID, r.client.Now())
		r.up(m.ID, epoch)
		r.write(m)
		require.Equal(t, 1, r.count())
		return r, m
	}

	t.Run("LowerEpochLoses", func(t *testing.T) {
		t.Parallel()
		r, m := waiting(t, 5)
		r.up(m.ID, 4)
		require.Equal(t, "5", r.epoch(m.ID))
		r.down(m.ID, 4, presence.Clean, r.client.Now())
		require.Len(t, r.candidates(1), 1, "the late close of the old socket changes nothing")
	})

	t.Run("SuspectLeavesTheWindowAfterTheGrace", func(t *testing.T) {
		t.Parallel()
		r, m := waiting(t, 5)
		at := r.client.Now()
		r.down(m.ID, 5, presence.Suspect, at)
		require.Empty(t, r.candidates(1))
		require.Equal(t, 1, r.count(), "still counted")
		require.Equal(t, at.Add(grace-stale).UnixMilli(), r.score("mitras:available", m.ID))
		require.Nil(t, r.do("HGET", "mitras:sockets", m.ID.String()))

		r.down(m.ID, 5, presence.Suspect, at.Add(-grace))
		require.Zero(t, r.count(), "its grace is over")
	})

	t.Run("BackWithinTheGrace", func(t *testing.T) {
		t.Parallel()
		r, m := waiting(t, 5)
		r.down(m.ID, 5, presence.Suspect, r.client.Now())
		r.beat(m.ID, r.client.Now())
		r.up(m.ID, 6)
		r.write(m)
		require.Len(t, r.candidates(1), 1)
		require.Equal(t, 1, r.count())
	})

	t.Run("CleanLeavesAtOnce", func(t *testing.T) {
		t.Parallel()
		r, m := waiting(t, 5)
		r.down(m.ID, 5, presence.Clean, r.client.Now())
		require.Empty(t, r.candidates(1))
		require.Zero(t, r.count())
		require.Nil(t, r.do("GET", "mitra:heartbeat:"+m.ID.String()))
		require.EqualValues(t, 1, r.do("SISMEMBER", "mitras:online", m.ID.String()), "the mode stays")
	})

	t.Run("StaleHasNoGraceLeft", func(t *testing.T) {
		t.Parallel()
		r, m := waiting(t, 5)
		r.down(m.ID, 5, presence.Stale, r.client.Now())
		require.Empty(t, r.candidates(1))
		require.Zero(t, r.count())
	})
}

func TestBeatLate(t *testing.T) {
	t.Parallel()
	r, m := newRig(t), online(1)
	r.up(m.ID, 1)
	r.write(m)
	now := ms(r.client.Now())
	late := func(at time.Time) {
		require.NoError(t, r.mirror.BeatLate(t.Context(), []presence.Heartbeat{{MitraID: m.ID, At: at}}))
	}
	late(now.Add(-time.Minute))
	require.Equal(t, now.Add(-time.Minute).UnixMilli(), r.score("mitras:available", m.ID))
	r.beat(m.ID, now)
	late(now.Add(-time.Second))
	require.Equal(t, now.UnixMilli(), r.score("mitras:available", m.ID), "it has moved on since")
	require.Equal(t, now.UTC().Format("2006-01-02T15:04:05.000Z"), r.do("GET", "mitra:heartbeat:"+m.ID.String()))
	r.do("SET", "mitra:heartbeat:"+m.ID.String(), "x")
	late(now)
	require.Equal(t, now.UTC().Format("2006-01-02T15:04:05.000Z"), r.do("GET", "mitra:heartbeat:"+m.ID.String()))
}

func TestSocketsUpNamesTheNew(t *testing.T) {
	t.Parallel()
	r, id, other := newRig(t), core.NewID[core.MitraID](), core.NewID[core.MitraID]()
	up := func(sockets ...presence.Socket) []core.MitraID {
		entered, err := r.mirror.SocketsUp(t.Context(), sockets)
		require.NoError(t, err)
		return entered
	}
	require.Equal(t, []core.MitraID{id}, up(presence.Socket{MitraID: id, Epoch: 3}))
	require.Equal(t, []core.MitraID{other}, up(presence.Socket{MitraID: id, Epoch: 3}, presence.Socket{MitraID: other, Epoch: 1}))
	require.Empty(t, up(presence.Socket{MitraID: id, Epoch: 2}), "an older one")
	require.Equal(t, []core.MitraID{id}, up(presence.Socket{MitraID: id, Epoch: 4}))
	r.do("HSET", "mitras:sockets", id.String(), "nonsense")
	require.Equal(t, []core.MitraID{id}, up(presence.Socket{MitraID: id, Epoch: 4}))
}
