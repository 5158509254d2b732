package gateway

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/halobestie/bestie-gateway/protocol"
)

// queue is what one connection waits for. It exists only while there is something.
type queue struct {
	jobs      []job // the first is being done, or its connection waits for a worker
	held      [][]byte
	heldBytes int
	replaced  int64 // the highest epoch that replaces this connection, heard of while it has none of its own
}

// job is one turn of a worker for a connection.
type job struct {
	what  task
	frame protocol.Frame // of a request; its body is a copy
	since time.Time      // when the request came
}

type task uint8

const (
	answer     task = iota // carry the request out
	decline                // the request came when the queue was full: answer OVERLOADED in its turn
	greet                  // read the state, send welcome
	probeEpoch             // Postgres may be back
	retryEpoch             // it is
)

func (c *client) queueLocked() *queue {
	if c.queue == nil {
		c.queue = new(queue)
	}
	return c.queue
}

// trimLocked drops a queue that holds nothing.
func (c *client) trimLocked() {
	if q := c.queue; q != nil && len(q.jobs) == 0 && len(q.held) == 0 && (q.replaced == 0 || c.Epoch() != 0) {
		c.queue = nil
	}
}

// enqueue adds a job that must be done, however many wait: welcome, and the retry of an epoch.
func (s *Server) enqueue(c *client, j job) {
	c.mu.Lock()
	q := c.queueLocked()
	q.jobs = append(q.jobs, j)
	first := len(q.jobs) == 1
	c.mu.Unlock()
	if first {
		s.workers.schedule(c)
	}
}

// request queues what a connection asked for, or answers OVERLOADED. Loop only.
func (s *Server) request(c *client, frame protocol.Frame) {
	j := job{what: answer, frame: frame, since: time.Now()}
	j.frame.Body = slices.Clone(frame.Body) // the message is the loop's
	c.mu.Lock()
	q := c.queueLocked()
	waiting := len(q.jobs)
	if waiting >= s.cfg.QueueLength {
		j.what, j.frame.Body = decline, nil
	}
	first := waiting == 0
	flooded := waiting >= overflow*s.cfg.QueueLength
	full := first && s.workers.full()
	if !flooded && !full {
		q.jobs = append(q.jobs, j)
	}
	c.trimLocked()
	c.mu.Unlock()
	switch {
	case flooded:
		c.conn.Send(rateLimited().Append(nil, 0))
		s.close(c, protocol.CloseRateLimited)
	case full:
		s.overloaded(c, frame.ID)
	case first:
		s.workers.schedule(c)
	}
}

func (s *Server) overloaded(c *client, id uint32) {
	s.stats.overloaded.Add(1)
	if id != 0 {
		c.conn.Send(protocol.Error{Code: protocol.CodeOverloaded, Message: "this instance is full: retry"}.Append(nil, id))
	}
}

// turn does the first job of a connection and tells whether there are more. The job leaves the queue only when it is done, so
// nobody else starts on this connection meanwhile.
func (c *client) turn() (more bool) {
	c.mu.Lock()
	j := c.queue.jobs[0]
	c.mu.Unlock()
	c.server.do(c, j)
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.queue
	q.jobs[0] = job{}
	q.jobs = q.jobs[1:]
	more = len(q.jobs) > 0
	c.trimLocked()
	return more
}

// busy tells whether the connection has something under way.
func (c *client) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue != nil && len(c.queue.jobs) > 0
}

func (s *Server) do(c *client, j job) {
	defer func() {
		if cause := recover(); cause != nil {
			s.stats.panics.Add(1)
			s.log.Error("panic in a request", "kind", j.frame.Kind.String(), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			s.close(c, protocol.CloseInternal)
		}
	}()
	ctx := s.jobs
	if j.what != greet { // whose reads are batches, with a time of their own
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	switch j.what {
	case answer:
		if time.Since(j.since) > s.cfg.LineLimit {
			s.overloaded(c, j.frame.ID) // better a clear answer now than work for an app that gave up
			return
		}
		if frame := s.dispatch.Handle(ctx, nil, c, j.frame); len(frame) > 0 {
			c.conn.Send(frame)
		}
	case decline:
		s.overloaded(c, j.frame.ID)
	case greet:
		s.welcome(ctx, c)
	case probeEpoch:
		if s.epochAgain(ctx, c) {
			s.retryAll()
		}
	case retryEpoch:
		s.epochAgain(ctx, c)
	}
}

// workers do the jobs of connections, one connection a worker and one job of a connection at a time. Who comes while all are
// busy waits in line, and after each job a worker turns to who waits, so that no connection keeps one. There are only a few
// times as many workers as connections to Postgres: more would wait there instead, where they cannot be turned away early.
//
// The bound is counted here, the goroutines are ants's: its own count lags behind, and a connection that is put in line
// because of that would wait for a worker who never looks.
type workers struct {
	pool *ants.PoolWithFuncGeneric[*client]

	mu      sync.Mutex
	free    int
	line    []*client // in order; those before next are done
	next    int
	size    int
	bound   int           // of the line, for requests
	drained chan struct{} // not nil while somebody waits for all to be free
}

func newWorkers(size, line int) (*workers, error) {
	w := &workers{free: size, size: size, bound: line}
	pool, err := ants.NewPoolWithFuncGeneric(-1, w.work, ants.WithExpiryDuration(10*time.Second))
	w.pool = pool
	return w, err
}

// work serves a connection, then who waits, until nobody does.
func (w *workers) work(c *client) {
	for c != nil {
		more := c.turn()
		c = w.after(c, more)
	}
}

// after is who is served next; nil: the worker is free.
func (w *workers) after(c *client, more bool) *client {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == len(w.line) {
		if more {
			return c
		}
		w.freeLocked()
		return nil
	}
	if more {
		w.line = append(w.line, c)
	}
	first := w.line[w.next]
	w.line[w.next] = nil
	if w.next++; 2*w.next >= len(w.line) { // what is served makes room
		n := copy(w.line, w.line[w.next:])
		clear(w.line[n:])
		w.line, w.next = w.line[:n], 0
	}
	return first
}

func (w *workers) freeLocked() {
	if w.free++; w.free == w.size && w.drained != nil {
		close(w.drained)
		w.drained = nil
	}
}

// full tells whether a request has to be turned away: all are busy, and the line is as long as it may get. The answer may be
// old by the time it is used, so the line may grow over its bound by one for each event loop.
func (w *workers) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.free == 0 && len(w.line)-w.next >= w.bound
}

// start gives a connection to the worker that was reserved.
func (w *workers) start(c *client) {
	if err := w.pool.Invoke(c); err != nil { // closed: nobody is served any more
		w.mu.Lock()
		w.freeLocked()
		w.mu.Unlock()
	}
}

// schedule serves a connection now or, if all are busy, in its turn.
func (w *workers) schedule(c *client) {
	w.mu.Lock()
	busy := w.free == 0
	if busy {
		w.line = append(w.line, c)
	} else {
		w.free--
	}
	w.mu.Unlock()
	if !busy {
		w.start(c)
	}
}

// wait returns when all workers are free, or after the limit.
func (w *workers) wait(limit time.Duration) {
	w.mu.Lock()
	if w.free == w.size {
		w.mu.Unlock()
		return
	}
	if w.drained == nil {
		w.drained = make(chan struct{})
	}
	drained := w.drained
	w.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
	}
}

// stop waits for the jobs under way, whose contexts must have ended, and for the goroutines.
func (w *workers) stop() {
	w.wait(requestTimeout)
	_ = w.pool.ReleaseTimeout(requestTimeout)
}

// load is how many workers are busy, and how many connections wait for one.
func (w *workers) load() (busy, inLine int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size - w.free, len(w.line) - w.next
}
