package postgres_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// bus remembers what it was given, or refuses it.
type bus struct {
	mu      sync.Mutex
	refuses bool
	dead    bool // and says so
	calls   int
	got     []core.Event
}

func (b *bus) Publish(_ context.Context, events []core.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.refuses {
		return errors.New("the bus is down")
	}
	b.got = append(b.got, events...)
	return nil
}

func (b *bus) Live() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.dead
}

func (b *bus) ids() (ids []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.got {
		ids = append(ids, e.ID)
	}
	return ids
}

func (b *bus) refuse(is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuses = is
}

// publishes runs an instance's outbox until the test ends or stop is called.
func publishes(t *testing.T, db *postgres.DB, b *bus) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = db.Outbox().Run(ctx, b) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

func (w *world) unpublished() int {
	return value[int](w, `select count(*) from event_outbox where published_at is null`)
}

func TestOutbox_PublishesAndMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var b bus
	publishes(t, w.db, &b)
	eventually(t, time.Second, func() bool { w.asks(w.free, w.mitra()); return len(b.ids()) > 0 }, "published at once")
	eventually(t, 3*time.Second, func() bool { return w.unpublished() == 0 }, "and marked soon after")
	require.Equal(t, value[int](w, `select count(*) from event_outbox`), len(b.ids()))
	require.True(t, slices.IsSorted(b.ids()))
	events, err := w.db.Outbox().Since(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, b.got, events, "what travels is what pollers read")
}

// An instance dies between its commit and its publishing; two others are there.
func TestOutbox_TakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 50 {
		w.asks(w.free)
	}
	require.Equal(t, 50, w.unpublished(), "nobody publishes here")
	var one, two bus
	publishes(t, w.second(), &one)
	publishes(t, w.second(), &two)
	eventually(t, 3*time.Second, func() bool { return w.unpublished() == 0 }, "taken over")
	all := append(one.ids(), two.ids()...)
	slices.Sort(all)
	require.Len(t, all, 50)
	require.Len(t, slices.Compact(all), 50, "the two shared them")
}

func TestOutbox_BusRefusesForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := bus{refuses: true}
	publishes(t, w.db, &b)
	eventually(t, time.Second, func() bool { w.asks(w.free); return w.db.Stats().Unpublished > 0 }, "refused")
	b.refuse(false)
	eventually(t, 4*time.Second, func() bool { return w.unpublished() == 0 }, "tried again")
	require.Subset(t, b.ids(), []int64{1})
}

// An instance whose way to the bus is cut leaves its events to the others, and takes nothing away from them.
func TestOutbox_CutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cut, whole := bus{refuses: true, dead: true}, bus{}
	publishes(t, w.db, &cut)
	publishes(t, w.second(), &whole)
	eventually(t, 2*time.Second, func() bool { w.asks(w.free); return w.db.Stats().Unpublished > 0 }, "refused")
	eventually(t, 10*time.Second, func() bool { return w.unpublished() == 0 }, "published by the other")
	require.Zero(t, w.db.Stats().TakenOver)
	require.NotEmpty(t, whole.ids())
}

func TestOutbox_CommittedHereIsNotTakenOverToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var b bus
	stop := publishes(t, w.db, &b)
	eventually(t, time.Second, func() bool { w.asks(w.free); return len(b.ids()) > 0 }, "published")
	stop()
	require.Zero(t, value[int](w, `select count(*) from event_outbox where id = any($1) and published_at is null`, b.ids()),
		"marked before it stopped")
	require.Zero(t, w.db.Stats().TakenOver)
}

func TestOutbox_SinceReadsTheWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asks(w.free)
	w.exec(`update event_outbox set created_at = now() - interval '10 seconds'`)
	s := w.asks(w.free)
	events, err := w.db.Outbox().Since(t.Context(), 5*time.Second)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, core.UserID(s.CustomerID), events[0].To)
	require.Equal(t, core.SessionUpdated, events[0].Kind)
	require.Equal(t, core.EventVersion, events[0].Version)
	events, err = w.db.Outbox().Since(t.Context(), 15*time.Second)
	require.NoError(t, err)
	require.Len(t, events, 2)
}

func TestClean(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asks(w.free)
	require.NoError(t, w.db.Clean(t.Context()))
	require.Equal(t, 1, value[int](w, `select count(*) from event_outbox`))
	w.exec(`update event_outbox set created_at = now() - interval '61 seconds'`)
	w.exec(`update idempotency_keys set created_at = now() - interval '26 hours'`)
	w.exec(`update session_waves set created_at = now() - interval '31 days'`)
	require.NoError(t, w.db.Clean(t.Context()))
	require.Zero(t, value[int](w, `select (select count(*) from event_outbox) + (select count(*) from idempotency_keys) + (select count(*) from session_waves)`))
}

func TestOnCommit_AfterCommitOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got []core.Event
	w.db.OnCommit(func(events []core.Event, _ []core.MitraID) {
		require.Equal(t, value[int](w, `select count(*) from event_outbox`), int(events[len(events)-1].ID), "the rows are there")
		got = append(got, events...)
	})
	s := w.asks(w.free, w.mitra())
	require.Len(t, got, 2)
	_, err := w.db.Chat().End(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	code(t, err, core.WrongState)
	require.Len(t, got, 2, "what rolled back is not told")
}
