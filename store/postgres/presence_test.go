package postgres_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
)

const fresh = 45 * time.Second

func TestConnect_EpochsOfOneBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, others := w.mitra(), w.mitras(10)
	w.log.take()
	var (
		mu     sync.Mutex
		epochs []int64
		all    sync.WaitGroup
	)
	for i := range 40 {
		all.Go(func() {
			id := m
			if i%4 == 3 {
				id = others[i/4]
			}
			got, err := w.db.Presence().Connect(t.Context(), id)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && id == m {
				epochs = append(epochs, got.ConnectionEpoch)
			}
		})
	}
	all.Wait()
	slices.Sort(epochs)
	require.Len(t, slices.Compact(epochs), 30, "nobody shares an epoch")
	require.EqualValues(t, 31, epochs[29])
	require.LessOrEqual(t, len(w.log.take()), 30, "and few statements were needed")
	replaced := events[presence.Replaced](w, core.MitraReplaced, m)
	require.EqualValues(t, 31, replaced[len(replaced)-1].Epoch)
}

func TestConnect_First(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	w.exec(`update mitras set connection_epoch = 0, last_heartbeat_at = null`)
	got := connect(w, m)
	require.EqualValues(t, 1, got.ConnectionEpoch)
	require.NotZero(t, got.LastHeartbeatAt)
	require.Empty(t, events[presence.Replaced](w, core.MitraReplaced, m), "there was nobody to replace")
	_, err := w.db.Presence().Connect(t.Context(), core.NewID[core.MitraID]())
	code(t, err, core.NotFound)
}

func TestSetMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	set := func(mode presence.Mode) presence.Mitra {
		got, err := w.db.Presence().SetMode(t.Context(), m, mode, 1)
		require.NoError(t, err)
		return got
	}
	before := set(presence.Online)
	require.Empty(t, events[presence.Change](w, core.PresenceChanged, m), "the mode that it has changes nothing")

	s := w.asks(w.free, m)
	got := set(presence.Offline)
	require.Equal(t, presence.Offline, got.Mode)
	require.Greater(t, got.Version, before.Version)
	require.Equal(t, "withdrawn", w.offerStatus(s, m))
	require.True(t, value[bool](w, `select wave_deadline_at <= now() from chat_sessions where id = $1`, s.ID))

	w.exec(`update mitras set last_heartbeat_at = null, available_since = null`)
	got = set(presence.Online)
	require.True(t, got.Takes())
	require.NotZero(t, got.AvailableSince)
	require.NotZero(t, got.LastHeartbeatAt)
	require.Equal(t, "offline:self online:self", value[string](w, `select string_agg(mode || ':' || reason, ' ' order by id) from mitra_status_logs`))
}

func TestSetMode_Finishing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	idle := w.mitra()
	got, err := w.db.Presence().SetMode(t.Context(), idle, presence.Finishing, 1)
	require.NoError(t, err)
	require.Equal(t, presence.Offline, got.Mode, "nothing to finish")
	require.Equal(t, presence.Finished, events[presence.Change](w, core.PresenceChanged, idle)[0].Reason)

	w.set("mitra_max_capacity", 2)
	first, m := w.starts()
	second := w.accepts(w.asks(w.free, m), m)
	got, err = w.db.Presence().SetMode(t.Context(), m, presence.Finishing, 1)
	require.NoError(t, err)
	require.Equal(t, presence.Finishing, got.Mode)
	_, err = w.db.Chat().End(t.Context(), first.ID, as(core.Customer, first.CustomerID), "")
	require.NoError(t, err)
	require.Equal(t, "finishing", w.mode(m), "one more to go")
	_, err = w.db.Chat().End(t.Context(), second.ID, as(core.Customer, second.CustomerID), "")
	require.NoError(t, err)
	require.Equal(t, "offline", w.mode(m))
	changes := events[presence.Change](w, core.PresenceChanged, m)
	require.Equal(t, presence.Finished, changes[len(changes)-1].Reason)
}

func TestSetMode_Refusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	_, err := w.db.Presence().SetMode(t.Context(), m, presence.Offline, 0)
	code(t, err, core.WrongState)
	_, err = w.db.Presence().SetMode(t.Context(), core.NewID[core.MitraID](), presence.Offline, 1)
	code(t, err, core.NotFound)
	w.exec(`update mitras set is_active = false`)
	_, err = w.db.Presence().SetMode(t.Context(), m, presence.Offline, 1)
	code(t, err, core.AccountInactive)
}

func TestMitras_VersionFollowsEveryChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	var told []core.MitraID
	w.db.OnCommit(func(_ []core.Event, mitras []core.MitraID) { told = append(told, mitras...) })
	var last int64
	grows := func(step string) {
		t.Helper()
		mitras, err := w.db.Presence().Mitras(t.Context(), []core.MitraID{m, core.NewID[core.MitraID]()})
		require.NoError(t, err)
		require.Len(t, mitras, 1)
		require.Greater(t, mitras[0].Version, last, step)
		require.Contains(t, told, m, step)
		last, told = mitras[0].Version, nil
	}
	s := w.asks(w.free, m)
	grows("offered")
	w.accepts(s, m)
	grows("accepted")
	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
	grows("ended")
	_, err = w.db.Presence().SetMode(t.Context(), m, presence.Offline, 1)
	require.NoError(t, err)
	grows("offline")
}

func TestPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := w.mitras(7)
	slices.SortFunc(want, func(a, b core.MitraID) int { return slices.Compare(a[:], b[:]) })
	var got []core.MitraID
	for after := (core.MitraID{}); ; after = got[len(got)-1] {
		page, err := w.db.Presence().Page(t.Context(), after, 3)
		require.NoError(t, err)
		for _, m := range page {
			got = append(got, m.ID)
		}
		if len(page) < 3 {
			break
		}
	}
	require.Equal(t, want, got)
}

func TestFallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.db.Presence()
	_, busy := w.starts()
	stale, gone, away, a, b := w.mitra(), w.mitra(), w.mitra(), w.mitra(), w.mitra()
	w.exec(`update mitras set last_heartbeat_at = now() - interval '1 hour' where id = $1`, stale)
	w.exec(`update mitras set is_active = false where id = $1`, gone)
	w.exec(`update mitras set mode = 'offline' where id = $1`, away)
	w.exec(`update mitras set available_since = now() - interval '1 minute' where id = $1`, b)

	n, err := p.CountAvailable(t.Context(), fresh)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	counts, err := p.Counts(t.Context(), fresh)
	require.NoError(t, err)
	require.Equal(t, presence.Counts{Online: 5, Deactivated: 1, Available: 2}, counts)
	ids, err := p.Known(t.Context(), []core.MitraID{a, core.NewID[core.MitraID](), gone})
	require.NoError(t, err)
	require.ElementsMatch(t, []core.MitraID{a, gone}, ids)
	ids, err = p.FindAvailable(t.Context(), 5, nil, fresh)
	require.NoError(t, err)
	require.Equal(t, []core.MitraID{b, a}, ids)
	ids, err = p.FindAvailable(t.Context(), 5, []core.MitraID{b}, fresh)
	require.NoError(t, err)
	require.Equal(t, []core.MitraID{a}, ids)
	for id, want := range map[core.MitraID]bool{a: true, busy: true, stale: false, gone: false, away: false} {
		is, err := p.IsReachable(t.Context(), id, fresh)
		require.NoError(t, err)
		require.Equal(t, want, is)
	}
}

func TestSaveHeartbeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, gone := w.mitra(), w.mitra(), w.mitra()
	w.exec(`update mitras set is_active = false where id = $1`, gone)
	before := value[time.Time](w, `select now() - interval '1 minute'`)
	w.exec(`update mitras set last_heartbeat_at = $1`, before)
	wrong := time.Now().Add(-time.Hour) // what the beats' clock says; Postgres has its own
	deactivated, err := w.db.Presence().SaveHeartbeats(t.Context(), []presence.Heartbeat{
		{MitraID: a, At: wrong.Add(-20 * time.Second)},
		{MitraID: a, At: wrong.Add(-10 * time.Second)},
		{MitraID: b, At: wrong.Add(-time.Hour)},
		{MitraID: gone, At: wrong.Add(time.Hour)},
		{MitraID: core.NewID[core.MitraID](), At: wrong},
	}, wrong)
	require.NoError(t, err)
	require.Equal(t, []core.MitraID{gone}, deactivated)
	at := func(id core.MitraID) time.Time {
		return value[time.Time](w, `select last_heartbeat_at from mitras where id = $1`, id)
	}
	require.WithinRange(t, at(a), before.Add(50*time.Second), value[time.Time](w, `select now() - interval '10 seconds'`))
	require.True(t, at(b).Equal(before), "a time never goes back")
	require.False(t, at(gone).After(value[time.Time](w, `select now()`)), "nor is it ahead of Postgres's clock")
}

func TestTakeOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stale, alive := w.mitra(), w.mitra()
	s := w.asks(w.free, stale)
	w.exec(`update mitras set last_heartbeat_at = now() - interval '1 hour' where id = $1`, stale)
	taken, err := w.db.Presence().TakeOffline(t.Context(), []core.MitraID{stale, alive}, fresh)
	require.NoError(t, err)
	require.Equal(t, []core.MitraID{stale}, taken)
	require.Equal(t, "offline", w.mode(stale))
	require.Equal(t, "online", w.mode(alive))
	require.Equal(t, "withdrawn", w.offerStatus(s, stale))
	require.Equal(t, presence.HeartbeatTimeout, events[presence.Change](w, core.PresenceChanged, stale)[0].Reason)
	taken, err = w.db.Presence().TakeOffline(t.Context(), []core.MitraID{stale, alive}, fresh)
	require.NoError(t, err)
	require.Empty(t, taken)
}
