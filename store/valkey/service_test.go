package valkey_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// ledger is Postgres in memory, shared by the instances of a test.
type ledger struct {
	mu      sync.Mutex
	mitras  map[core.MitraID]presence.Mitra
	offline []core.MitraID
	saved   map[core.MitraID]time.Time
}

func newLedger() *ledger {
	return &ledger{mitras: make(map[core.MitraID]presence.Mitra), saved: make(map[core.MitraID]time.Time)}
}

// change commits a transition of a mitra.
func (l *ledger) change(id core.MitraID, change func(*presence.Mitra)) presence.Mitra {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.mitras[id]
	change(&m)
	m.ID, m.Version = id, m.Version+1
	l.mitras[id] = m
	return m
}

func (l *ledger) add() core.MitraID {
	m := online(0)
	return l.change(m.ID, func(row *presence.Mitra) { *row = m }).ID
}

func (l *ledger) Connect(_ context.Context, id core.MitraID) (presence.Mitra, error) {
	return l.change(id, func(m *presence.Mitra) { m.ConnectionEpoch++; m.LastHeartbeatAt = time.Now() }), nil
}

func (l *ledger) SetMode(_ context.Context, id core.MitraID, mode presence.Mode, _ int64) (presence.Mitra, error) {
	return l.change(id, func(m *presence.Mitra) { m.Mode = mode }), nil
}

func (l *ledger) Mitras(_ context.Context, ids []core.MitraID) (mitras []presence.Mitra, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if m, ok := l.mitras[id]; ok {
			mitras = append(mitras, m)
		}
	}
	return mitras, nil
}

func (l *ledger) Page(_ context.Context, after core.MitraID, limit int) (mitras []presence.Mitra, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, m := range l.mitras {
		if slices.Compare(id[:], after[:]) > 0 {
			mitras = append(mitras, m)
		}
	}
	slices.SortFunc(mitras, func(a, b presence.Mitra) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return mitras[:min(limit, len(mitras))], nil
}

func (l *ledger) Known(_ context.Context, ids []core.MitraID) (known []core.MitraID, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if _, ok := l.mitras[id]; ok {
			known = append(known, id)
		}
	}
	return known, nil
}

func (l *ledger) Counts(context.Context, time.Duration) (presence.Counts, error) {
	return presence.Counts{}, nil
}

func (l *ledger) CountAvailable(context.Context, time.Duration) (int, error) { return 77, nil }

func (l *ledger) FindAvailable(context.Context, int, []core.MitraID, time.Duration) ([]core.MitraID, error) {
	return nil, nil
}

func (l *ledger) IsReachable(context.Context, core.MitraID, time.Duration) (bool, error) {
	return false, nil
}

func (l *ledger) SaveHeartbeats(_ context.Context, beats []presence.Heartbeat, _ time.Time) ([]core.MitraID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, beat := range beats {
		l.saved[beat.MitraID] = beat.At
	}
	return nil, nil
}

func (l *ledger) TakeOffline(_ context.Context, ids []core.MitraID, _ time.Duration) ([]core.MitraID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offline = append(l.offline, ids...)
	for _, id := range ids {
		m := l.mitras[id]
		m.Mode, m.Version = presence.Offline, m.Version+1
		l.mitras[id] = m
	}
	return ids, nil
}

func (l *ledger) takenOffline() []core.MitraID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.offline)
}

func (l *ledger) savedBeat(id core.MitraID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved[id]
}

// instance is a running service with its own client and bus.
type instance struct {
	*presence.Service
	client *valkey.Client
	bus    *receiver

	mu          sync.Mutex
	freed       []core.MitraID
	deactivated []core.MitraID
}

func (i *instance) Freed(ids []core.MitraID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.freed = append(i.freed, ids...)
}

func (i *instance) Deactivated(ids []core.MitraID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.deactivated = append(i.deactivated, ids...)
}

func (i *instance) Availability(int, time.Time) {}

func start(t *testing.T, url, prefix string, l *ledger, cfg presence.Config) *instance {
	t.Helper()
	client := openBrisk(t, url, prefix)
	mirror := client.Mirror(stale, grace)
	if cfg.Stale > 0 {
		mirror = client.Mirror(cfg.Stale, cfg.Grace)
	}
	i := &instance{client: client, Service: presence.NewService(cfg, l, l, l, mirror, client.Now, slog.New(slog.DiscardHandler))}
	eventually(t, func() bool { return i.Seed(t.Context()) == nil })
	i.bus = listen(t, client)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = i.Run(ctx, i, i)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return i
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 30*time.Second, 5*time.Millisecond)
}

// sees tells whether an instance counts that many from the mirror.
func sees(t *testing.T, i *instance, n int) bool {
	t.Helper()
	before := i.Stats().Reads.Available.Postgres
	now, err := i.Available(t.Context())
	require.NoError(t, err)
	return now.Count == n && i.Stats().Reads.Available.Postgres == before
}

func finds(t *testing.T, i *instance, ids ...core.MitraID) bool {
	t.Helper()
	found, err := i.FindAvailable(t.Context(), 10, nil)
	require.NoError(t, err)
	return slices.Equal(found, ids)
}

func TestTwoInstances(t *testing.T) {
	t.Parallel()
	url, prefix := valkeytest.New(t)
	l := newLedger()
	id := l.add()
	a := start(t, url, prefix, l, presence.Config{})
	b := start(t, url, prefix, l, presence.Config{})

	m, err := a.Connect(t.Context(), id)
	require.NoError(t, err)
	for count := await(t, b.bus.counts); count.n != 1; count = await(t, b.bus.counts) {
	}
	eventually(t, func() bool { return finds(t, b, id) && sees(t, b, 1) })
	eventually(t, func() bool { a.mu.Lock(); defer a.mu.Unlock(); return slices.Contains(a.freed, id) })

	// The socket moves to the other instance; the old one's late close changes nothing.
	moved, err := b.Connect(t.Context(), id)
	require.NoError(t, err)
	eventually(t, func() bool { return b.Stats().Writes > 0 })
	a.Dropped(id, m.ConnectionEpoch, presence.Suspect)
	sent := a.client.Stats().Calls
	eventually(t, func() bool { return a.client.Stats().Calls > sent })
	eventually(t, func() bool { return finds(t, a, id) })

	// Deactivated elsewhere: the next heartbeat tells, also without the event.
	l.change(id, func(m *presence.Mitra) { m.Active = false })
	a.Touch([]core.MitraID{id})
	eventually(t, func() bool { return finds(t, a) && sees(t, a, 0) })
	b.Alive(id)
	eventually(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return slices.Contains(b.deactivated, id) })

	l.change(id, func(m *presence.Mitra) { m.Active = true })
	b.Touch([]core.MitraID{id})
	eventually(t, func() bool { return finds(t, a, id) && sees(t, a, 1) })
	b.Dropped(id, moved.ConnectionEpoch, presence.Clean)
	eventually(t, func() bool { return finds(t, a) && sees(t, a, 0) })
}

func TestValkeyEmptied(t *testing.T) {
	t.Parallel()
	server := valkeytest.Private(t)
	l := newLedger()
	id := l.add()
	a := start(t, server.URL(), "", l, presence.Config{})
	b := start(t, server.URL(), "", l, presence.Config{})
	_, err := a.Connect(t.Context(), id)
	require.NoError(t, err)
	eventually(t, func() bool { return sees(t, b, 1) })

	raw := valkeytest.Dial(t, server.URL())
	require.NoError(t, raw.Do(t.Context(), raw.B().Flushall().Build()).Error())
	now, err := a.Available(t.Context())
	require.NoError(t, err)
	require.Contains(t, []int{1, 77}, now.Count, "Postgres's while nothing is seeded, never 0")

	eventually(t, func() bool { return sees(t, a, 1) && finds(t, b, id) })
	require.Empty(t, l.takenOffline())
}

func TestValkeyKilled(t *testing.T) {
	t.Parallel()
	server := valkeytest.Private(t)
	l := newLedger()
	id := l.add()
	a := start(t, server.URL(), "", l, presence.Config{})
	_, err := a.Connect(t.Context(), id)
	require.NoError(t, err)
	eventually(t, func() bool { return sees(t, a, 1) })

	require.NoError(t, server.Kill())
	eventually(t, func() bool { return a.Degraded() != "" })
	now, err := a.Available(t.Context())
	require.NoError(t, err)
	require.Equal(t, 77, now.Count)
	eventually(t, func() bool { return !l.savedBeat(id).IsZero() })
	late := l.add()
	_, err = a.Connect(t.Context(), late)
	require.NoError(t, err)

	require.NoError(t, server.Start(t.Context()))
	eventually(t, func() bool { return sees(t, a, 2) && finds(t, a, id, late) || finds(t, a, late, id) })
	eventually(t, func() bool { return a.Degraded() == "" && a.client.Bus().Live() })
	require.Empty(t, l.takenOffline())
}

func TestSweepsOnValkey(t *testing.T) {
	t.Parallel()
	url, prefix := valkeytest.New(t)
	l := newLedger()
	silent, lively := l.add(), l.add()
	a := start(t, url, prefix, l, presence.Config{
		Stale: time.Second, Grace: 500 * time.Millisecond,
		OfflineSweep: 200 * time.Millisecond, HeartbeatSweep: 100 * time.Millisecond, MirrorSweep: 300 * time.Millisecond,
	})
	for _, id := range []core.MitraID{silent, lively} {
		_, err := a.Connect(t.Context(), id)
		require.NoError(t, err)
	}
	eventually(t, func() bool { return !l.savedBeat(silent).IsZero() })
	eventually(t, func() bool {
		a.Alive(lively)
		return len(l.takenOffline()) > 0
	})
	require.Equal(t, []core.MitraID{silent}, l.takenOffline())
	eventually(t, func() bool {
		a.Alive(lively)
		return sees(t, a, 1) && finds(t, a, lively)
	})

	// What somebody spoils by hand, the reseed mends.
	raw := valkeytest.Dial(t, url)
	drifted := a.Stats().Mended
	require.NoError(t, raw.Do(t.Context(), raw.B().Sadd().Key(prefix+"mitras:online").Member(silent.String(), "nonsense").Build()).Error())
	eventually(t, func() bool {
		a.Alive(lively)
		n, err := raw.Do(t.Context(), raw.B().Scard().Key(prefix+"mitras:online").Build()).AsInt64()
		require.NoError(t, err)
		return n == 1 && a.Stats().Mended > drifted
	})
}

func TestWrongTypesHealThemselves(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"mitras:available", "mitras:sockets", "mitras:version", "mitras:deactivated"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			url, prefix := valkeytest.New(t)
			l := newLedger()
			id := l.add()
			a := start(t, url, prefix, l, presence.Config{})
			raw := valkeytest.Dial(t, url)
			require.NoError(t, raw.Do(t.Context(), raw.B().Set().Key(prefix+key).Value("x").Build()).Error())
			_, err := a.Connect(t.Context(), id)
			require.NoError(t, err)
			eventually(t, func() bool { return sees(t, a, 1) && finds(t, a, id) })
		})
	}
}
