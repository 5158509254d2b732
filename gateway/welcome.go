package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/protocol"
)

// welcomeBytes hold most first frames, so that they are not put together in five steps.
const welcomeBytes = 512

// welcome reads the state and sends the first frame, then lets events through. It is the connection's first job, so
// requests that came early are answered after it.
func (s *Server) welcome(ctx context.Context, c *client) {
	state, err := s.firstState(ctx, c)
	switch core.CodeOf(err) {
	case "":
	case core.NotFound, core.AccountInactive:
		s.turnOut(c)
		return
	case core.Unavailable:
		s.stats.stateless.Add(1)
	default:
		s.stats.stateless.Add(1)
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			s.log.Error("state not read", "user", c.user, "error", err)
		}
	}
	c.conn.Send(s.dispatch.Welcome(make([]byte, 0, welcomeBytes), dispatch.Greeting{
		Conn:             core.NewID[core.ConnID](),
		Who:              c.Principal(),
		HeartbeatSeconds: int(s.cfg.Heartbeat / time.Second),
		MaxMessageBytes:  s.cfg.Socket.MaxMessageBytes,
	}, state))
	c.open()
}

// firstState reads the state; a mitra takes its epoch first, so that nothing that the state does not show yet can be meant
// for an older connection.
func (s *Server) firstState(ctx context.Context, c *client) (*protocol.State, error) {
	if c.role == customer {
		return s.dispatch.CustomerState(ctx, c.Principal())
	}
	row, err := s.takeEpoch(ctx, c)
	if err != nil {
		if core.CodeOf(err) != core.NotFound {
			s.awaitEpoch(c)
		}
		return nil, err
	}
	if !row.Active {
		return nil, core.Errorf(core.AccountInactive, "the account is deactivated")
	}
	return s.dispatch.MitraState(ctx, c.Principal(), row)
}

// awaitEpoch puts a connection among those who wait, unless it is gone: Closed takes out whom it finds there.
func (s *Server) awaitEpoch(c *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.end.gone() {
		s.waiting.add(c)
	}
}

// turnOut closes the connection of somebody who is no mitra any more, and says so.
func (s *Server) turnOut(c *client) {
	failure, _ := dispatch.Failure(core.Errorf(core.AccountInactive, ""))
	c.conn.Send(failure.Append(nil, 0))
	s.close(c, protocol.CloseInactive)
}

// takeEpoch gives a mitra's connection its epoch and closes those that it replaces here; the event that Postgres emits with it does
// so on the other instances. One worker at a time calls it for a connection.
func (s *Server) takeEpoch(ctx context.Context, c *client) (presence.Mitra, error) {
	row, err := s.rooms.Presence.Connect(ctx, core.MitraID(c.user))
	if err != nil {
		return row, err
	}
	c.mu.Lock()
	c.epoch.Store(row.ConnectionEpoch)
	replaced := c.queue != nil && c.queue.replaced > row.ConnectionEpoch
	end := c.end
	c.mu.Unlock()
	if end.gone() { // Closed found no epoch to tell of
		s.rooms.Presence.Dropped(core.MitraID(c.user), row.ConnectionEpoch, end.how())
		return row, nil
	}
	if replaced {
		s.close(c, protocol.CloseReplaced)
		return row, nil
	}
	for _, older := range s.hub.Below(c.user, row.ConnectionEpoch, nil) {
		s.close(older, protocol.CloseReplaced)
	}
	for _, other := range s.hub.Of(c.user, nil) {
		if other == c {
			break // those behind it are newer
		}
		if s.waiting.remove(other) {
			s.close(other, protocol.CloseReplaced)
		}
	}
	s.waiting.remove(c)
	return row, nil
}

// replace closes those of a mitra's connections that are older than the epoch.
func (s *Server) replace(user core.UserID, epoch int64) {
	for _, c := range s.hub.Of(user, nil) {
		c.mu.Lock()
		has := c.Epoch()
		if has == 0 {
			q := c.queueLocked()
			q.replaced = max(q.replaced, epoch)
		}
		c.mu.Unlock()
		if has != 0 && has < epoch {
			s.close(c, protocol.CloseReplaced)
		}
	}
}

// waiting are the mitras' connections whose epoch could not be taken. One of them asks every EpochRetry; when it gets its
// epoch, Postgres is back, and all ask.
type waiting struct {
	mu    sync.Mutex
	conns map[*client]struct{}
}

func (w *waiting) add(c *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns == nil {
		w.conns = make(map[*client]struct{})
	}
	w.conns[c] = struct{}{}
}

func (w *waiting) remove(c *client) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, there := w.conns[c]
	delete(w.conns, c)
	return there
}

func (w *waiting) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// some lists up to n of them; they stay.
func (w *waiting) some(n int) []*client {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*client
	for c := range w.conns {
		if len(list) == n {
			break
		}
		list = append(list, c)
	}
	return list
}

// retryEpochs asks for one who waits.
func (s *Server) retryEpochs(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.EpochRetry)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, c := range s.waiting.some(1) {
			s.enqueue(c, job{what: probeEpoch})
		}
	}
}

// retryAll asks for everybody who waits.
func (s *Server) retryAll() {
	for _, c := range s.waiting.some(s.waiting.len()) {
		s.enqueue(c, job{what: retryEpoch})
	}
}

// epochAgain asks once more, and tells whether Postgres answered. Of a user's connections only the newest asks: the others
// are about to be replaced by it.
func (s *Server) epochAgain(ctx context.Context, c *client) (back bool) {
	if newest, there := s.hub.Newest(c.user); !there || newest != c || c.Epoch() != 0 {
		return false
	}
	row, err := s.takeEpoch(ctx, c)
	switch core.CodeOf(err) {
	case "":
		if !row.Active {
			s.turnOut(c)
		}
		return true
	case core.NotFound:
		s.waiting.remove(c)
		s.turnOut(c)
		return true
	default:
		return false
	}
}
