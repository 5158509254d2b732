package presence

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	watchEvery = time.Second
	// paused is how late the watchdog must be for this process to have been stopped.
	paused = 4 * time.Second
)

// calm tells whether nothing has happened lately that makes heartbeats look older than they are: an error of Valkey's, a new epoch,
// a pause of this process.
type calm struct {
	mu     sync.Mutex
	until  time.Time // disturbed until then
	looked time.Time // the watchdog's last look
}

// disturb begins a new time of waiting.
func (c *calm) disturb(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Now().Add(wait)
}

// look notes that the watchdog looks, and disturbs when it comes late.
func (c *calm) look(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.looked.IsZero() && now.Sub(c.looked) > paused {
		c.until = now.Add(wait)
	}
	c.looked = now
}

// holds tells whether all is calm. A watchdog that did not look lately counts as a pause: this goroutine may have woken first.
func (c *calm) holds() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return now.After(c.until) && now.Sub(c.looked) <= paused
}

// watchdog follows what Valkey goes through. All fields are its goroutine's.
type watchdog struct {
	*Service
	up            bool // the last look succeeded
	epoch         string
	subscriptions uint64
	outage        core.Outage
}

// runWatchdog looks at Valkey every second.
func (s *Service) runWatchdog(ctx context.Context) {
	w := &watchdog{Service: s, up: s.mirror.Up(), outage: core.Outage{Log: s.log, What: "valkey"}}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look has the mirror mended and everything sent again when Valkey may have lost it.
func (w *watchdog) look(ctx context.Context) {
	w.calm.look(w.cfg.Stale)
	pulse, err := w.mirror.Pulse(ctx)
	if w.outage.Note(ctx, err) != nil {
		if ctx.Err() == nil {
			w.failed(err)
			w.up = false
			w.state.Store(int32(valkeyDown))
		}
		return
	}
	back := !w.up || w.subscriptions != 0 && pulse.Subscriptions > w.subscriptions
	emptied := pulse.Epoch == ""
	renewed := !emptied && pulse.Epoch != w.epoch
	w.up, w.epoch, w.subscriptions = true, pulse.Epoch, pulse.Subscriptions
	if emptied {
		w.state.Store(int32(valkeyUnseeded))
	} else {
		w.state.Store(int32(valkeyWell))
	}
	if emptied || renewed {
		w.calm.disturb(w.cfg.Stale)
	}
	if emptied || renewed || back {
		w.sockets.resend()
		wake(w.flushNow)
		w.touched.revive()
		wake(w.writeNow)
	}
	if emptied || back {
		wake(w.seedNow)
	}
}

// valkeyState is what the watchdog saw last.
type valkeyState int32

const (
	valkeyWell valkeyState = iota
	valkeyDown
	valkeyUnseeded
)

// Degraded says why reads come from Postgres; "" while they do not.
func (s *Service) Degraded() string {
	switch valkeyState(s.state.Load()) {
	case valkeyDown:
		return "valkey does not answer"
	case valkeyUnseeded:
		return "the mirror is not seeded yet"
	default:
		return ""
	}
}
