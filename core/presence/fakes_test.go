package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var (
	errValkey   = errors.New("valkey: broken")
	errPostgres = core.Wrap(core.Unavailable, errors.New("postgres: broken"))
)

// postgres is Truth, Fallback and Beats in memory.
type postgres struct {
	mu          sync.Mutex
	err         error
	mitras      map[core.MitraID]Mitra
	available   int
	reads       int // statements of Mitras
	counts      int // statements of CountAvailable
	saved       [][]Heartbeat
	deactivated []core.MitraID
	offline     [][]core.MitraID
	deadlines   []time.Duration // that TakeOffline had
	fresh       time.Duration   // last asked for
}

func (p *postgres) Connect(_ context.Context, id core.MitraID) (Mitra, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return Mitra{}, p.err
	}
	m := p.mitras[id]
	m.ConnectionEpoch++
	m.LastHeartbeatAt = time.Now()
	p.mitras[id] = m
	return m, nil
}

func (p *postgres) SetMode(_ context.Context, id core.MitraID, mode Mode, _ int64) (Mitra, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.mitras[id]
	m.Mode, m.Version = mode, m.Version+1
	p.mitras[id] = m
	return m, p.err
}

func (p *postgres) Mitras(_ context.Context, ids []core.MitraID) ([]Mitra, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	var mitras []Mitra
	for _, id := range ids {
		if m, ok := p.mitras[id]; ok {
			mitras = append(mitras, m)
		}
	}
	return mitras, p.err
}

func (p *postgres) Known(_ context.Context, ids []core.MitraID) ([]core.MitraID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ids), func(id core.MitraID) bool {
		_, ok := p.mitras[id]
		return !ok
	}), p.err
}

func (p *postgres) Page(_ context.Context, after core.MitraID, limit int) ([]Mitra, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var page []Mitra
	for _, m := range p.mitras {
		if slices.Compare(m.ID[:], after[:]) > 0 {
			page = append(page, m)
		}
	}
	slices.SortFunc(page, func(a, b Mitra) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return page[:min(limit, len(page))], p.err
}

func (p *postgres) CountAvailable(_ context.Context, fresh time.Duration) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts++
	p.fresh = fresh
	return p.available, p.err
}

func (p *postgres) FindAvailable(_ context.Context, k int, _ []core.MitraID, fresh time.Duration) ([]core.MitraID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = fresh
	var ids []core.MitraID
	for id := range p.mitras {
		if len(ids) < k {
			ids = append(ids, id)
		}
	}
	return ids, p.err
}

func (p *postgres) IsReachable(context.Context, core.MitraID, time.Duration) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return true, p.err
}

func (p *postgres) Counts(_ context.Context, fresh time.Duration) (Counts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = fresh
	return Counts{Online: len(p.mitras), Available: p.available}, p.err
}

func (p *postgres) SaveHeartbeats(_ context.Context, beats []Heartbeat, _ time.Time) ([]core.MitraID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved = append(p.saved, slices.Clone(beats))
	return p.deactivated, p.err
}

func (p *postgres) TakeOffline(ctx context.Context, ids []core.MitraID, _ time.Duration) ([]core.MitraID, error) {
	deadline, _ := ctx.Deadline()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadlines = append(p.deadlines, time.Until(deadline))
	p.offline = append(p.offline, slices.Clone(ids))
	return ids, p.err
}

// add makes a mitra that can take a session, with changes.
func (p *postgres) add(change func(*Mitra)) core.MitraID {
	m := Mitra{ID: core.NewID[core.MitraID](), Mode: Online, Active: true, MaxCapacity: 1, Version: 1}
	if change != nil {
		change(&m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mitras[m.ID] = m
	return m.ID
}

// told is Freed and Audience.
type told struct {
	mu          sync.Mutex
	freed       []core.MitraID
	counts      []int
	deactivated []core.MitraID
}

func (o *told) Freed(ids []core.MitraID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.freed = append(o.freed, ids...)
}

func (o *told) Availability(n int, _ time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts = append(o.counts, n)
}

func (o *told) Deactivated(ids []core.MitraID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deactivated = append(o.deactivated, ids...)
}

// rig is a service between two stores in memory, under synctest's clock.
type rig struct {
	*Service
	postgres *postgres
	valkey   *valkey
	told     *told
	stop     func()
}

func newService() *rig {
	r := &rig{
		postgres: &postgres{mitras: make(map[core.MitraID]Mitra)},
		valkey: &valkey{
			holder: true, snapshot: -1, pulse: Pulse{Epoch: "e1", Subscriptions: 1},
			writes: make(map[core.MitraID][]Mitra), versions: make(map[core.MitraID]int64), sockets: make(map[core.MitraID]bool),
		},
		told: new(told),
	}
	r.Service = NewService(Config{}, r.postgres, r.postgres, r.postgres, r.valkey, time.Now, slog.New(slog.DiscardHandler))
	return r
}

// run runs a scenario against a running service in a synctest bubble.
func run(t *testing.T, scenario func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newService()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = r.Run(ctx, r.told, r.told)
		}()
		r.stop = func() { cancel(); <-done }
		defer r.stop()
		synctest.Wait()
		scenario(t, r)
	})
}

// pass lets time go by, and all that happens in it.
func pass(d time.Duration) {
	time.Sleep(d) // the bubble's clock
	synctest.Wait()
}

// look reads what a store recorded, and change changes it, under its lock.
func look[T any](mu *sync.Mutex, read func() T) T {
	mu.Lock()
	defer mu.Unlock()
	return read()
}

func change(mu *sync.Mutex, write func()) {
	mu.Lock()
	defer mu.Unlock()
	write()
}
