package sim

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

const (
	probeTimeout = 3 * time.Second        // for every customer to see a change
	settled      = 700 * time.Millisecond // without a change of the count: the frames of the last one are through
	settleLimit  = 10 * time.Second
)

// probe measures how long one change of one mitra takes to reach every customer. While it is armed nothing else changes the count.
type probe struct {
	mu    sync.Mutex
	armed bool
	last  time.Time         // when any customer saw any change
	seen  map[int]time.Time // by customer, since it was armed
	wake  chan struct{}     // closed when want customers have seen it
	want  int
}

// changed is told that a customer saw another count than before.
func (p *probe) changed(customer int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = at
	if !p.armed {
		return
	}
	if _, again := p.seen[customer]; !again {
		p.seen[customer] = at
		if len(p.seen) == p.want {
			close(p.wake)
		}
	}
}

// arm begins to watch; the channel closes when so many customers have seen a change.
func (p *probe) arm(customers int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.want, p.seen, p.wake = true, customers, make(map[int]time.Time), make(chan struct{})
	return p.wake
}

// disarm gives what was seen.
func (p *probe) disarm() map[int]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	return p.seen
}

// quietSince is when the count changed last.
func (p *probe) quietSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// quiet lets mitras go offline and come back, one at a time.
func (w *world) quiet(ctx context.Context) {
	if len(w.customers) == 0 || w.opts.Probes < 0 {
		return
	}
	for i := range min(w.opts.Probes, len(w.mitras)) {
		for _, mode := range []protocol.Mode{protocol.ModeOffline, protocol.ModeOnline} {
			if !w.settle(ctx) {
				return
			}
			w.probeOnce(ctx, w.mitras[i], mode)
		}
	}
	w.settle(ctx)
}

// settle waits until the count has stood still for a while, but not for ever: somebody else may use the gateways too.
func (w *world) settle(ctx context.Context) bool {
	begin := time.Now()
	for {
		still := min(time.Since(w.beacon.quietSince()), time.Since(begin))
		if still >= settled || time.Since(begin) > settleLimit {
			return true
		}
		if !pause(ctx, settled-still) {
			return false
		}
	}
}

func (w *world) probeOnce(ctx context.Context, m *mitra, mode protocol.Mode) {
	all := w.beacon.arm(len(w.customers))
	acked := make(chan time.Time, 1)
	m.order(func() { m.setMode(mode, func(at time.Time) { acked <- at }) })
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var since time.Time
	select {
	case since = <-acked:
	case <-ctx.Done():
	}
	select {
	case <-all:
	case <-ctx.Done():
	}
	seen := w.beacon.disarm()
	if since.IsZero() {
		return
	}
	for _, at := range seen {
		w.meters.beacon.add(at.Sub(since))
	}
	w.meters.unseen.Add(uint64(len(w.customers) - len(seen)))
}
