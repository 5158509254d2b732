package valkey_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

func TestLease(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := open(t, r.url, r.prefix)
	hold := func(c *valkey.Client, ttl time.Duration) bool {
		ours, err := c.Lease(t.Context(), "sweep", ttl)
		require.NoError(t, err)
		return ours
	}
	require.True(t, hold(r.client, time.Minute))
	require.False(t, hold(other, time.Minute))
	require.True(t, hold(r.client, time.Millisecond), "renewed")
	eventually(t, func() bool { return hold(other, time.Minute) })
}

func TestSeedLease(t *testing.T) {
	t.Parallel()

	t.Run("OneAtATime", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		token, err := r.mirror.BeginSeed(t.Context(), time.Minute)
		require.NoError(t, err)
		require.NotEmpty(t, token)
		second, err := r.mirror.BeginSeed(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Empty(t, second)
	})

	t.Run("EmptiedMeanwhile", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		token, err := r.mirror.BeginSeed(t.Context(), time.Minute)
		require.NoError(t, err)
		r.do("DEL", "lease:seed")
		kept, err := r.mirror.KeepSeed(t.Context(), token, time.Minute)
		require.NoError(t, err)
		require.False(t, kept)
		done, err := r.mirror.FinishSeed(t.Context(), token)
		require.NoError(t, err)
		require.False(t, done)
		pulse, err := r.mirror.Pulse(t.Context())
		require.NoError(t, err)
		require.Empty(t, pulse.Epoch)
	})

	t.Run("NewEpochEachTime", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.seed()
		first, err := r.mirror.Pulse(t.Context())
		require.NoError(t, err)
		r.seed()
		second, err := r.mirror.Pulse(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, first.Epoch)
		require.NotEqual(t, first.Epoch, second.Epoch)
	})
}

func TestReseeded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := func() time.Time {
		began, err := r.mirror.Reseeded(t.Context())
		require.NoError(t, err)
		return began
	}
	require.Zero(t, last())
	now := time.Now().Truncate(time.Millisecond)
	require.NoError(t, r.mirror.NoteReseed(t.Context(), now))
	require.True(t, now.Equal(last()))
	for _, nonsense := range []string{"yesterday", "", "99999999999999"} {
		r.do("SET", "mirror:reseeded", nonsense)
		require.Zero(t, last(), nonsense)
	}
	r.do("DEL", "mirror:reseeded")
	r.do("SADD", "mirror:reseeded", "x")
	require.Zero(t, last())
	require.NoError(t, r.mirror.NoteReseed(t.Context(), now), "over whatever stands there")
}

func TestOnline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := make(map[core.MitraID]time.Time)
	for i := range 700 {
		m := online(1)
		r.write(m)
		if i%2 == 0 {
			at := ms(r.client.Now())
			r.beat(m.ID, at)
			want[m.ID] = at.UTC()
		} else {
			want[m.ID] = time.Time{}
		}
	}
	r.do("SADD", "mitras:online", "nobody")
	got := make(map[core.MitraID]time.Time)
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		beats, next, err := r.mirror.Online(t.Context(), cursor)
		require.NoError(t, err)
		for _, beat := range beats {
			got[beat.MitraID] = beat.At
		}
		cursor = next
	}
	require.Equal(t, want, got)
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	r, known, unknown := newRig(t), online(1), online(1)
	for _, m := range []presence.Mitra{known, unknown} {
		r.beat(m.ID, r.client.Now())
		r.up(m.ID, 1)
		r.write(m)
	}
	r.do("SADD", "mitras:deactivated", "not an id", "*")
	removed, err := r.mirror.Strangers(t.Context(), func(_ context.Context, ids []core.MitraID) (there []core.MitraID, err error) {
		if slices.Contains(ids, known.ID) {
			there = append(there, known.ID)
		}
		return there, nil
	})
	require.NoError(t, err)
	require.Equal(t, 9, removed.Count, "unknown in five collections, its two keys, and two texts")
	require.Len(t, removed.Which, 9)
	require.Contains(t, removed.Which, "mitras:deactivated \"not an id\"")
	r.seed()
	require.Equal(t, 1, r.count())
	require.EqualValues(t, 0, r.do("SCARD", "mitras:deactivated"))
}

// An instance that was killed leaves its sockets behind: the reseed takes them away, unless somebody lives by them.
func TestLostSockets(t *testing.T) {
	t.Parallel()
	url, prefix := valkeytest.New(t)
	ours, dead := newRigOn(t, url, prefix), newRigOn(t, url, prefix)
	reporting := newRigOn(t, url, prefix)
	require.NoError(t, reporting.client.ReportInstance(t.Context(), valkey.Instance{}))
	known := func(_ context.Context, ids []core.MitraID) ([]core.MitraID, error) { return ids, nil }
	enter := func(r *mirrorRig, age time.Duration) core.MitraID {
		m := online(1)
		r.beat(m.ID, r.client.Now().Add(-age))
		r.up(m.ID, 1)
		r.write(m)
		return m.ID
	}
	lost := enter(dead, stale)
	kept := []core.MitraID{enter(dead, time.Second), enter(reporting, time.Hour), enter(ours, time.Hour)}
	foreign := online(1)
	ours.beat(foreign.ID, ours.client.Now())
	ours.do("HSET", "mitras:sockets", foreign.ID.String(), "7 somebody")

	ours.seed()
	removed, err := ours.mirror.Strangers(t.Context(), known)
	require.NoError(t, err)
	require.Zero(t, removed.Count, "the instances have not had the time to say that they run")
	ours.do("SET", "mirror:epoch", "01900000-0000-7000-8000-000000000000") // of 2024

	removed, err = ours.mirror.Strangers(t.Context(), known)

	require.NoError(t, err)
	require.Equal(t, 2, removed.Count)
	require.Nil(t, ours.do("HGET", "mitras:sockets", lost.String()))
	require.Nil(t, ours.score("mitras:waiting", lost))
	require.Nil(t, ours.do("HGET", "mitras:sockets", foreign.ID.String()))
	counts, err := ours.mirror.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(kept), counts.Sockets)
}

// answers waits until Valkey answers a pulse.
func answers(t *testing.T, client *valkey.Client) {
	t.Helper()
	eventually(t, func() bool { _, err := client.Pulse(context.Background()); return err == nil })
}

func TestBreaker(t *testing.T) {
	t.Parallel()

	t.Run("Frozen", func(t *testing.T) {
		t.Parallel()
		server := valkeytest.Private(t)
		client := openBrisk(t, server.URL(), "")
		answers(t, client)
		require.NoError(t, server.Pause())
		for range 3 {
			require.True(t, client.Up())
			began := time.Now()
			_, err := client.Lease(t.Context(), "x", time.Second)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, time.Since(began), link.CallTimeout+2*time.Second, "a time-out, no hang")
		}
		require.False(t, client.Up())
		_, err := client.Lease(t.Context(), "x", time.Second)
		require.ErrorIs(t, err, presence.ErrDown)
		_, err = client.Pulse(t.Context())
		require.Error(t, err)

		require.NoError(t, server.Resume())
		answers(t, client)
		require.True(t, client.Up())
		eventually(t, func() bool { _, err := client.Lease(t.Context(), "x", time.Second); return err == nil })
	})

	t.Run("KilledAndBack", func(t *testing.T) {
		t.Parallel()
		server := valkeytest.Private(t)
		client := openBrisk(t, server.URL(), "")
		require.NoError(t, server.Kill())
		for client.Up() {
			_, err := client.Lease(t.Context(), "x", time.Second)
			require.Error(t, err)
		}
		require.NoError(t, server.Start(t.Context()))
		answers(t, client)
		require.True(t, client.Up())
	})

	t.Run("DownAtStart", func(t *testing.T) {
		t.Parallel()
		server := valkeytest.Private(t)
		require.NoError(t, server.Kill())
		client := openBrisk(t, server.URL(), "")
		require.False(t, client.Up())
		_, err := client.Lease(t.Context(), "x", time.Second)
		require.ErrorIs(t, err, presence.ErrDown)
		_, err = client.Pulse(t.Context())
		require.Error(t, err)
		require.NoError(t, server.Start(t.Context()))
		answers(t, client)
		require.True(t, client.Up())
	})

	t.Run("CallersWhoGiveUpDoNotOpenIt", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 5 {
			_, err := r.client.Lease(ctx, "x", time.Second)
			require.Error(t, err)
		}
		require.True(t, r.client.Up())
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	_, err := valkey.Open("http://user:secret@host", "", core.SystemClock, slog.New(slog.DiscardHandler))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestOpenWarnsOfEviction(t *testing.T) {
	t.Parallel()
	server := valkeytest.Private(t)
	raw := valkeytest.Dial(t, server.URL())
	said := func() string {
		var log strings.Builder
		client, err := valkey.Open(server.URL(), "", core.SystemClock, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		client.Close()
		return log.String()
	}
	require.Empty(t, said())
	require.NoError(t, raw.Do(t.Context(), raw.B().Arbitrary("CONFIG", "SET", "maxmemory-policy", "allkeys-lru").Build()).Error())
	require.Contains(t, said(), "noeviction")
}

// A Valkey that answers and takes no writes is out: what it holds would soon be old.
func TestWithoutMemory(t *testing.T) {
	t.Parallel()
	server := valkeytest.Private(t)
	client, raw := open(t, server.URL(), ""), valkeytest.Dial(t, server.URL())
	_, err := client.Pulse(t.Context())
	require.NoError(t, err)
	require.NoError(t, raw.Do(t.Context(), raw.B().Arbitrary("CONFIG", "SET", "maxmemory", "1").Build()).Error())
	for client.Up() {
		_, err := client.Pulse(t.Context())
		require.ErrorContains(t, err, "OOM")
	}
	require.NoError(t, raw.Do(t.Context(), raw.B().Arbitrary("CONFIG", "SET", "maxmemory", "0").Build()).Error())
	_, err = client.Pulse(t.Context())
	require.NoError(t, err)
	require.True(t, client.Up())
}

func TestInstances(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	since := ms(time.Now())
	require.NoError(t, r.client.ReportInstance(t.Context(), valkey.Instance{Address: "a:1", Version: "v", Mitras: 2, Customers: 3, Since: since}))
	other := open(t, r.url, r.prefix)
	require.NoError(t, other.ReportInstance(t.Context(), valkey.Instance{Address: "b:1", Since: since}))
	list, err := r.client.Instances(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	first := list[0]
	require.NotEmpty(t, first.ID)
	first.ID = ""
	require.Equal(t, valkey.Instance{Address: "a:1", Version: "v", Mitras: 2, Customers: 3, Since: since}, first)
	require.InDelta(t, valkey.InstanceTTL.Milliseconds(), r.do("PTTL", "instance:"+list[0].ID), 2000)
}
