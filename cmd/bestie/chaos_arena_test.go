package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/bench/sim"
	"github.com/halobestie/bestie-gateway/store/local"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
	"github.com/halobestie/bestie-gateway/store/valkey"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// times are the durations of an arena: the real ones, or such that nothing lasts longer than some seconds.
type times struct {
	long                                                   bool
	heartbeat, stale, grace, idle, offline, mirror, reseed int // seconds
}

var (
	shortTimes = times{heartbeat: 1, stale: 5, grace: 2, idle: 5, offline: 1, mirror: 2, reseed: 4}
	longTimes  = times{long: true, heartbeat: 15, stale: 45, grace: 20, idle: 45, offline: 30, mirror: 60, reseed: 300}
)

func (x times) settings() []string {
	return []string{
		fmt.Sprintf("WS_HEARTBEAT_SECONDS=%d", x.heartbeat),
		fmt.Sprintf("WS_IDLE_TIMEOUT_SECONDS=%d", x.idle),
		fmt.Sprintf("PRESENCE_GRACE_SECONDS=%d", x.grace),
		fmt.Sprintf("MITRA_HEARTBEAT_STALE_SECONDS=%d", x.stale),
		fmt.Sprintf("MITRA_AUTO_OFFLINE_SWEEP_SECONDS=%d", x.offline),
		fmt.Sprintf("HEARTBEAT_MIRROR_INTERVAL_SECONDS=%d", x.mirror),
		fmt.Sprintf("VALKEY_ONLINE_MIRROR_SWEEP_SECONDS=%d", x.reseed),
	}
}

func (x times) staleLimit() time.Duration { return time.Duration(x.stale) * time.Second }

// settled is how long the stores may take at most until all is as it should be: every sweep has come by, and an instance that is
// gone is out of the list of those that run.
func (x times) settled() time.Duration {
	return time.Duration(x.stale+x.offline+2*x.reseed)*time.Second + valkey.InstanceTTL + x.pick(30*time.Second, time.Minute)
}

// pick is one of two durations, as the form says.
func (x times) pick(short, long time.Duration) time.Duration {
	if x.long {
		return long
	}
	return short
}

// arena is where a fault happens: stores, two instances on them, and a small crowd of simulated clients.
type arena struct {
	t     *testing.T
	times times
	seed  uint64
	world *world

	postgres    *local.Server // nil: nothing happens to it
	valkey      *local.Server
	databaseURL string // as a role that limits hold for, past all proxies
	adminURL    string // the same database as its superuser
	a, b        *stand

	oracle  *oracle.Oracle
	crowd   sim.Options
	slowest time.Duration // what a request may take, by the rules; 0: not judged
	lag     *lag          // set when the play begins
}

// role is the database user of the instances where Postgres is broken: the superuser is above every limit.
const role = "gateway"

// newArena makes the stores and starts no instance. Valkey is the arena's own, and so is Postgres if that is to be broken.
func newArena(t *testing.T, x times, seed uint64, breaksPostgres bool) *arena {
	t.Helper()
	a := &arena{t: t, times: x, seed: seed, valkey: valkeytest.Private(t)}
	if breaksPostgres {
		a.startPostgres()
	} else {
		a.databaseURL = pgtest.URL(t)
		a.adminURL = a.databaseURL
	}
	a.world = &world{t: t, databaseURL: a.databaseURL, valkeyURL: a.valkey.URL()}
	a.world.seed()
	a.world.set("pairing_wave_seconds", 5)
	a.a, a.b = a.newStand(), a.newStand()
	size := 1
	if x.long {
		size = 4
	}
	a.crowd = sim.Options{
		Mitras: 12 * size, Customers: 4 * size, PairingsPerSecond: float64(4 * size), Verify: true, Alone: true, Seed: seed, Probes: -1,
		Think:  sim.Range{Min: 5 * time.Millisecond, Max: 30 * time.Millisecond},
		Talk:   sim.Range{Min: 200 * time.Millisecond, Max: 800 * time.Millisecond},
		Breaks: 8 * time.Second, Stale: x.staleLimit(), Settle: x.settled(),
		AnswerTimeout: x.pick(25*time.Second, time.Minute), WindDown: 40 * time.Second,
	}
	return a
}

// startPostgres starts a server of the arena's own.
func (a *arena) startPostgres() {
	t := a.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var err error
	a.postgres, err = local.Postgres(ctx, local.Options{Private: true})
	require.NoError(t, err)
	t.Cleanup(a.postgres.Stop)
	pgtest.Exec(t, a.postgres.URL(), `create role `+role+` login password '`+role+`'`)
	pgtest.Exec(t, a.postgres.URL(), `create database bestie owner `+role)
	u, err := url.Parse(a.postgres.URL())
	require.NoError(t, err)
	u.Path = "/bestie"
	a.adminURL = u.String()
	u.User = url.UserPassword(role, role)
	a.databaseURL = u.String()
	require.NoError(t, postgres.Migrate(ctx, a.databaseURL, slog.New(slog.DiscardHandler)))
}

// play lets the crowd use both instances while fault happens to them, and has everything judged. It gives the run's report.
func (a *arena) play(fault func()) sim.Report {
	t := a.t
	t.Helper()
	a.crowd.Targets, a.crowd.Internal = []string{a.a.public, a.b.public}, a.b.internal
	healed := time.Time{}
	a.crowd.During = func(ctx context.Context, o *oracle.Oracle) {
		a.oracle = o
		a.pairs(3)
		fault()
		healed = time.Now()
		a.t.Logf("the fault is over; %v", a.recovered(ctx))
		a.pairs(3)
		a.hold(time.Until(healed.Add(a.times.staleLimit())))
	}
	a.lag = watchLag(t)
	var out bytes.Buffer
	report, err := sim.Run(t.Context(), a.crowd, &out)
	require.NoError(t, err, "seed %d", a.seed)
	if len(report.Broken) > 0 || t.Failed() {
		t.Errorf("seed %d\n%s", a.seed, out.String())
	}
	a.judgeTimes(report)
	return report
}

// How many times on the way of an answer a process may have to wait for its turn on a busy machine: a heartbeat's ack goes from socket to
// socket, other answers through statements and proxies.
const (
	beatTurns  = 10
	otherTurns = 50
)

// bearable is above what a busy machine explains: three times what the rules allow, and what this process itself had to wait for
// its turns.
func bearable(allowed time.Duration, turns int, lag time.Duration) time.Duration {
	return 3*allowed + time.Duration(turns)*lag
}

// stopwatch measures until the result is asked for something that may take as long as is allowed then.
func stopwatch(t *testing.T) (mustBeWithin func(allowed time.Duration)) {
	began, lag := time.Now(), watchLag(t)
	return func(allowed time.Duration) {
		t.Helper()
		require.Less(t, time.Since(began), bearable(allowed, otherTurns, lag.longest()))
	}
}

// judgeTimes tells how long requests took, and fails only for what no busy machine explains.
func (a *arena) judgeTimes(report sim.Report) {
	lag := a.lag.longest()
	beat, other := report.Latency(sim.LatencyHeartbeat), report.Latency(sim.LatencyAnswer)
	for _, l := range []sim.Latency{beat, other} {
		a.t.Logf("%s: p50 %v, p99 %v, max %v of %d; a turn took up to %v", l.Name, l.P50, l.P99, l.Max, l.N, lag)
	}
	if a.slowest == 0 {
		return
	}
	if other.Max > bearable(a.slowest, otherTurns, lag) {
		a.t.Errorf("seed %d: an answer took %v, and %v are allowed", a.seed, other.Max, a.slowest)
	}
	if beat.P99 > bearable(beatSlowest, beatTurns, lag) {
		a.t.Errorf("seed %d: a heartbeat's ack took %v, and %v are allowed", a.seed, beat.P99, beatSlowest)
	}
}

// lag is how long a goroutine of this process has had to wait for its turn at most.
type lag struct{ worst atomic.Int64 }

func (l *lag) longest() time.Duration { return time.Duration(l.worst.Load()) }

// watchLag measures it until the test ends.
func watchLag(t *testing.T) *lag {
	l := new(lag)
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	t.Cleanup(func() { cancel(); watching.Wait() })
	watching.Go(func() {
		const step = 10 * time.Millisecond
		tick := time.NewTimer(step)
		defer tick.Stop()
		for due := time.Now().Add(step); ; due = time.Now().Add(step) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.worst.Store(max(l.worst.Load(), int64(time.Since(due))))
				tick.Reset(step)
			}
		}
	})
	return l
}

// beatSlowest is what a heartbeat may take whatever the stores do: it waits for neither of them.
const beatSlowest = 50 * time.Millisecond

// countedWithin is how soon after the heal everybody must be counted; countedLimit is when the test gives up waiting for it.
const (
	countedWithin = 10 * time.Second
	countedLimit  = 2 * time.Minute
)

// recovered waits until every open socket of an available mitra is counted.
func (a *arena) recovered(ctx context.Context) string {
	began := time.Now()
	for _, b := range a.oracle.Recovered(ctx, countedLimit) {
		a.t.Errorf("seed %d: %v", a.seed, b)
	}
	took := time.Since(began).Round(time.Millisecond)
	if took > bearable(countedWithin, otherTurns, a.lag.longest()) {
		a.t.Errorf("seed %d: everybody was counted only after %v", a.seed, took)
	}
	return fmt.Sprintf("everybody was counted after %v", took)
}

// hold lets a fault last.
func (a *arena) hold(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.t.Context().Done():
	}
}

// pairs waits until so many more sessions have begun than now.
func (a *arena) pairs(n int64) {
	a.t.Helper()
	begun := func() int64 { return a.count(`select count(*) from chat_sessions where started_at is not null`) }
	before := begun()
	a.until(func() bool { return begun() >= before+n }, "%d more pairings", n)
}

// count reads a number past the instances and their ways.
func (a *arena) count(sql string, args ...any) int64 {
	a.t.Helper()
	return pgtest.Value[int64](a.t, a.adminURL, sql, args...)
}

// until waits for a condition.
func (a *arena) until(holds func() bool, what string, args ...any) {
	a.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(2*patience + a.times.pick(0, 3*time.Minute))
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			require.FailNow(a.t, fmt.Sprintf("seed %d: waited in vain for ", a.seed)+fmt.Sprintf(what, args...))
		}
	}
}
