package presence

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// writeChunk is how many touched mitras are read by one statement.
	writeChunk = 1000
	// writeAgain is when a failed mirror write is tried again.
	writeAgain = 500 * time.Millisecond
)

// touched is the set of mitras that wait to be mirrored.
type touched struct {
	mu     sync.Mutex
	ids    map[core.MitraID]struct{} // guarded by mu, like missed
	missed map[core.MitraID]struct{} // those that an outage kept from the mirror
}

func newTouched() *touched {
	return &touched{ids: make(map[core.MitraID]struct{}), missed: make(map[core.MitraID]struct{})}
}

func (t *touched) add(ids []core.MitraID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		t.ids[id] = struct{}{}
	}
}

// miss puts ids aside until the mirror is back.
func (t *touched) miss(ids []core.MitraID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		t.missed[id] = struct{}{}
	}
}

// revive adds what was put aside.
func (t *touched) revive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.missed {
		t.ids[id] = struct{}{}
	}
	clear(t.missed)
}

func (t *touched) take() []core.MitraID {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]core.MitraID, 0, len(t.ids))
	for id := range t.ids {
		ids = append(ids, id)
	}
	clear(t.ids)
	return ids
}

// writer mirrors what was touched. All fields are its goroutine's.
type writer struct {
	*Service
	outage   core.Outage
	refusals refusals
}

// runWriter mirrors all that was touched while it was busy at a time.
func (s *Service) runWriter(ctx context.Context) {
	w := &writer{Service: s, outage: core.Outage{Log: s.log, What: "reading mitras for the mirror"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.writeNow:
		}
		if w.writeTouched(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(writeAgain):
			wake(s.writeNow)
		}
	}
}

// writeTouched tells whether all is done, or waits for the end of an outage; what is neither has been touched anew.
func (w *writer) writeTouched(ctx context.Context) bool {
	done := true
	for ids := range slices.Chunk(w.touched.take(), writeChunk) {
		mitras, err := w.truth.Mitras(ctx, ids)
		if w.outage.Note(ctx, err) != nil {
			w.touched.add(ids)
			done = false
			continue
		}
		switch {
		case w.writeThrough(ctx, mitras):
			w.refusals = 0
		case w.mirror.Up():
			w.refusals.note(w.Service)
			w.touched.add(ids)
			done = false
		default:
			w.touched.miss(ids)
		}
	}
	return done
}

// writeThrough mirrors mitras as Postgres has just told them, lets Freed know who can take a session now, and tells whether all
// are mirrored.
func (s *Service) writeThrough(ctx context.Context, mitras []Mitra) bool {
	outcomes, err := s.mirror.Write(ctx, mitras, Through, nil)
	if s.failed(err) {
		s.counters.writesFailed.Add(1)
		s.tellFreed(mitras[len(outcomes):], func(i int, m Mitra) bool {
			return s.sockets.has(m.ID) || s.clock().Sub(m.LastHeartbeatAt) < s.cfg.fallbackFresh()
		})
	}
	mitras = mitras[:len(outcomes)]
	s.counters.writes.Add(uint64(len(mitras)))
	var unheard []core.MitraID
	for i, outcome := range outcomes {
		if outcome.Held != 0 {
			s.counters.writesLate.Add(1)
		}
		if outcome.Unheard {
			unheard = append(unheard, mitras[i].ID)
		}
	}
	if len(unheard) > 0 {
		s.sockets.resendBeats(unheard)
		wake(s.flushNow)
	}
	s.tellFreed(mitras, func(i int, _ Mitra) bool { return outcomes[i].Held == 0 && outcomes[i].Socket })
	if len(mitras) > 0 {
		wake(s.recountNow)
	}
	return err == nil
}

// tellFreed tells Freed of those who can take a session and whom present says to have a live socket.
func (s *Service) tellFreed(mitras []Mitra, present func(i int, m Mitra) bool) {
	var ids []core.MitraID
	for i, mitra := range mitras {
		if mitra.Takes() && present(i, mitra) {
			ids = append(ids, mitra.ID)
		}
	}
	if len(ids) > 0 {
		s.freed.Freed(ids)
	}
}
