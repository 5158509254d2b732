package chat

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSleepAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fired  int
		failed bool
		wait   time.Duration
		want   time.Duration
	}{
		"nothing planned":         {0, false, 0, time.Second},
		"the next one is near":    {3, false, 300 * time.Millisecond, 300 * time.Millisecond},
		"the next one is far":     {0, false, time.Minute, time.Second},
		"a row that stays due":    {1, false, time.Microsecond, shortestSleep},
		"there may be more":       {dueBatch, false, time.Minute, shortestSleep},
		"a failure is still due":  {1, true, 5 * time.Millisecond, time.Second},
		"a full batch that fails": {dueBatch, true, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, sleepAfter(c.fired, c.failed, c.wait))
		})
	}
}

func TestRun_FiresEachDeadlineAtItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := newPlan()
		start := time.Now()
		searching, paying := core.NewID[core.SessionID](), core.NewID[core.SessionID]()
		ending, warned := core.NewID[core.SessionID](), core.NewID[core.SessionID]()
		plan.add(Due{ID: searching, Status: Searching}, start.Add(1500*time.Millisecond))
		plan.add(Due{ID: paying, Status: PendingPayment}, start.Add(2*time.Second))
		plan.add(Due{ID: warned, Status: Active, Warn: true}, start.Add(2*time.Second))
		plan.add(Due{ID: ending, Status: Active}, start.Add(time.Minute))

		stop := run(t, plan)
		time.Sleep(90 * time.Second)
		stop()

		require.Equal(t, map[core.SessionID]call{
			searching: {"search", 1500 * time.Millisecond},
			paying:    {"payment timeout", 2 * time.Second},
			warned:    {"warn", 2 * time.Second},
			ending:    {"expire", time.Minute},
		}, plan.calls(start))
	})
}

// Another instance sets a deadline while this one sleeps: nobody wakes it, the tick finds it within a second.
func TestRun_FindsDeadlinesOfOthersWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := newPlan()
		start := time.Now()
		stop := run(t, plan)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		id := core.NewID[core.SessionID]()
		plan.add(Due{ID: id, Status: Active}, time.Now())
		time.Sleep(time.Second)
		stop()
		require.Equal(t, call{"expire", 11 * time.Second}, plan.calls(start)[id])
	})
}

func TestWake_FiresAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := newPlan()
		start := time.Now()
		s := NewService(nil, plan, searches{plan}, slog.New(slog.DiscardHandler))
		s.Wake()
		s.Wake() // nobody listens yet: it does not block
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(300 * time.Millisecond)
		id := core.NewID[core.SessionID]()
		plan.add(Due{ID: id, Status: Searching}, time.Now())
		s.Wake()
		synctest.Wait()
		require.Equal(t, call{"search", 300 * time.Millisecond}, plan.calls(start)[id])
		cancel()
		require.NoError(t, <-done)
	})
}

func TestRun_AFailureDelaysNobodyElseAndIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := newPlan()
		start := time.Now()
		bad, good := core.NewID[core.SessionID](), core.NewID[core.SessionID]()
		plan.fail[bad] = 2
		plan.add(Due{ID: bad, Status: Active}, start)
		plan.add(Due{ID: good, Status: Active}, start)
		stop := run(t, plan)
		time.Sleep(5 * time.Second)
		service := stop()
		require.Equal(t, map[core.SessionID]call{good: {"expire", 0}, bad: {"expire", 2 * time.Second}}, plan.calls(start))
		require.Equal(t, Stats{DeadlinesFired: 2, DeadlinesFailed: 2}, service.Stats())
	})
}

func TestRun_SurvivesAnOutageOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := newPlan()
		start := time.Now()
		id := core.NewID[core.SessionID]()
		plan.add(Due{ID: id, Status: Active}, start)
		plan.setDown(errors.New("connection refused"))
		stop := run(t, plan)
		time.Sleep(30*time.Second + time.Millisecond)
		require.Empty(t, plan.calls(start))
		plan.setDown(nil)
		time.Sleep(time.Second)
		stop()
		require.Equal(t, call{"expire", 31 * time.Second}, plan.calls(start)[id])
	})
}

func TestRun_ManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := newPlan()
		start := time.Now()
		for range 3*dueBatch + 7 {
			plan.add(Due{ID: core.NewID[core.SessionID](), Status: Active}, start)
		}
		stop := run(t, plan)
		time.Sleep(time.Second)
		stop()
		require.Len(t, plan.calls(start), 3*dueBatch+7)
	})
}

// run starts a service over the plan; the returned func stops it, waits for it, and gives it.
func run(t *testing.T, p *plan) func() *Service {
	s := NewService(nil, p, searches{p}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() *Service {
		cancel()
		require.NoError(t, <-done)
		return s
	}
}

// plan is a store that holds nothing but due times.
type plan struct {
	mu    sync.Mutex
	rows  []planned
	fail  map[core.SessionID]int // how often a step on it fails before it works
	down  error
	fired map[core.SessionID]firing
}

type planned struct {
	due Due
	at  time.Time
}

type firing struct {
	what string
	at   time.Time
}

// call is what was done, and how long after the start.
type call struct {
	what  string
	after time.Duration
}

func newPlan() *plan {
	return &plan{fail: map[core.SessionID]int{}, fired: map[core.SessionID]firing{}}
}

func (p *plan) add(d Due, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = append(p.rows, planned{d, at})
}

func (p *plan) setDown(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = err
}

func (p *plan) calls(start time.Time) map[core.SessionID]call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := map[core.SessionID]call{}
	for id, f := range p.fired {
		calls[id] = call{f.what, f.at.Sub(start)}
	}
	return calls
}

func (p *plan) Due(_ context.Context, limit int) (due []Due, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return nil, 0, p.down
	}
	for _, row := range p.rows {
		switch left := time.Until(row.at); {
		case left <= 0 && len(due) < limit:
			due = append(due, row.due)
		case left > 0 && (wait == 0 || left < wait):
			wait = left
		}
	}
	return due, wait, nil
}

func (p *plan) done(what string, id core.SessionID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail[id] > 0 {
		p.fail[id]--
		return core.Errorf(core.Unavailable, "try again")
	}
	for i, row := range p.rows {
		if row.due.ID == id {
			p.rows = append(p.rows[:i], p.rows[i+1:]...)
			p.fired[id] = firing{what, time.Now()}
			return nil
		}
	}
	return nil
}

func (p *plan) Expire(_ context.Context, id core.SessionID) error     { return p.done("expire", id) }
func (p *plan) WarnEnding(_ context.Context, id core.SessionID) error { return p.done("warn", id) }
func (p *plan) PaymentTimeout(_ context.Context, id core.SessionID) error {
	return p.done("payment timeout", id)
}

// searches is the plan as the port Searches sees it.
type searches struct{ plan *plan }

func (s searches) Due(_ context.Context, id core.SessionID) error { return s.plan.done("search", id) }
