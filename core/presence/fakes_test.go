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

func (p *postgres) SaveHeartbeats(_ context.Context, beats []Heartbeat) ([]core.MitraID, error) {
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

// valkey is a Mirror in memory that records what it is told.
type valkey struct {
	mu            sync.Mutex
	err           error // of every call
	down          bool  // the breaker is open
	pulse         Pulse
	deaf          bool // not listening to the bus
	holder        bool // gets every lease
	seedToken     string
	seeds         int
	emptyAtSeed   func() // called once, after the first page of a seed
	online        []Heartbeat
	onlineErrAt   uint64
	count         int
	snapshot      int // -1: none
	deactivated   []core.MitraID
	beats         [][]Heartbeat
	up            []Socket
	dropped       []Dropped
	writes        map[core.MitraID][]Mitra
	versions      map[core.MitraID]int64
	sockets       map[core.MitraID]bool
	announced     []Availability
	strangersLeft []core.MitraID
	removed       []core.MitraID
}

func (v *valkey) fails() error {
	if v.down {
		return ErrDown
	}
	return v.err
}

func (v *valkey) Beat(_ context.Context, beats []Heartbeat) ([]core.MitraID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, err
	}
	v.beats = append(v.beats, slices.Clone(beats))
	return v.deactivated, nil
}

func (v *valkey) SocketsUp(_ context.Context, up []Socket) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return err
	}
	v.up = append(v.up, up...)
	for _, socket := range up {
		v.sockets[socket.MitraID] = true
	}
	return nil
}

func (v *valkey) SocketsDown(_ context.Context, down []Dropped) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return err
	}
	v.dropped = append(v.dropped, down...)
	for _, socket := range down {
		delete(v.sockets, socket.MitraID)
	}
	return nil
}

func (v *valkey) Write(_ context.Context, mitras []Mitra, _ Write, held []int64) ([]Outcome, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, err
	}
	var outcomes []Outcome
	for i, m := range mitras {
		there := v.versions[m.ID]
		if there > m.Version && (held == nil || held[i] != there) {
			outcomes = append(outcomes, Outcome{Held: there})
			continue
		}
		changed := 0
		if there != m.Version {
			changed = 1
		}
		v.versions[m.ID] = m.Version
		v.writes[m.ID] = append(v.writes[m.ID], m)
		outcomes = append(outcomes, Outcome{Changed: changed, Socket: v.sockets[m.ID]})
	}
	return outcomes, nil
}

func (v *valkey) unseeded() error {
	if err := v.fails(); err != nil {
		return err
	}
	if v.pulse.Epoch == "" {
		return ErrUnseeded
	}
	return nil
}

func (v *valkey) Available(context.Context) (Availability, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Availability{Count: v.count, At: time.Now()}, v.unseeded()
}

func (v *valkey) FindAvailable(context.Context, int, []core.MitraID) ([]core.MitraID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return nil, v.unseeded()
}

func (v *valkey) IsReachable(context.Context, core.MitraID) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return false, v.unseeded()
}

func (v *valkey) Counts(context.Context) (Counts, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Counts{}, v.unseeded()
}

func (v *valkey) Pulse(context.Context) (Pulse, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return Pulse{}, v.err
	}
	v.down = false
	return v.pulse, nil
}

func (v *valkey) Up() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.down
}

func (v *valkey) Lease(context.Context, string, time.Duration) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.holder, v.fails()
}

func (v *valkey) Online(_ context.Context, cursor uint64) ([]Heartbeat, uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return nil, 0, err
	}
	if v.onlineErrAt > 0 && cursor >= v.onlineErrAt {
		return nil, 0, errValkey
	}
	page := v.online[cursor:min(int(cursor)+2, len(v.online))]
	next := cursor + uint64(len(page))
	if int(next) == len(v.online) {
		next = 0
	}
	return page, next, nil
}

func (v *valkey) Strangers(ctx context.Context, strangers func(context.Context, []core.MitraID) ([]core.MitraID, error)) (int, error) {
	v.mu.Lock()
	ids, err := slices.Clone(v.strangersLeft), v.fails()
	v.mu.Unlock()
	if err != nil {
		return 0, err
	}
	unknown, err := strangers(ctx, ids)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.removed = append(v.removed, unknown...)
	return len(unknown), err
}

func (v *valkey) BeginSeed(context.Context, time.Duration) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return "", err
	}
	if v.seedToken != "" {
		return "", nil
	}
	v.seeds++
	v.seedToken = fmt.Sprint("seed ", v.seeds)
	return v.seedToken, nil
}

func (v *valkey) KeepSeed(_ context.Context, token string, _ time.Duration) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.emptyAtSeed != nil {
		v.emptyAtSeed()
		v.emptyAtSeed = nil
	}
	return token == v.seedToken, v.fails()
}

func (v *valkey) FinishSeed(_ context.Context, token string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil || token != v.seedToken {
		return false, err
	}
	v.pulse.Epoch, v.seedToken = token, ""
	return true, nil
}

func (v *valkey) Recount(context.Context) (Availability, bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.unseeded(); err != nil {
		return Availability{}, false, err
	}
	changed := v.snapshot != v.count
	v.snapshot = v.count
	return Availability{Count: v.count, At: time.Now()}, changed, nil
}

func (v *valkey) Announce(_ context.Context, a Availability) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.fails(); err != nil {
		return err
	}
	v.announced = append(v.announced, a)
	return nil
}

func (v *valkey) Listening() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.deaf
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
