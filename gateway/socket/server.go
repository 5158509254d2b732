package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Server accepts on the one public port.
type Server struct {
	// Fixed by Listen.
	cfg     Config
	handler Handler
	log     *slog.Logger
	addr    *net.TCPAddr
	loops   []*loop
	http    *httpListener
	limit   int64 // of connections

	connections atomic.Int64 // upgraded, not yet gone
	refusing    atomic.Int64 // a Duration: Refuse's; 0 for no
	adopted     atomic.Uint64
	storm       bucket
}

// Listen binds addr ("host:port", port 0 for any). Nothing is accepted before Run; Run with an ended context releases a
// server that is not wanted after all.
func Listen(cfg Config, addr string, h Handler, log *slog.Logger) (*Server, error) {
	cfg, err := cfg.withDefaults(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	if !mayShare {
		cfg.Loops = 1
	}
	limit, err := connectionLimit(cfg.MaxConnections)
	if err != nil {
		return nil, err
	}
	listeners, bound, err := bind(addr, cfg.Loops)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, handler: h, log: log, addr: bound, limit: limit, http: newHTTPListener(bound)}
	s.storm.interval = time.Second / time.Duration(cfg.AcceptsPerSecond)
	for i, listener := range listeners {
		l, err := newLoop(s, i, listener)
		if err != nil {
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			closeAll(listeners[i:])
			return nil, errors.Join(err, s.Run(ended))
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// spareFiles is how many descriptors of the file limit are left to everything that is no socket.
const spareFiles = 256

func connectionLimit(configured int) (int64, error) {
	if configured > 0 {
		return int64(configured), nil
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, fmt.Errorf("socket: file limit: %w", err)
	}
	const unlimited = 1 << 30
	soft := int64(min(files.Cur, unlimited))
	return max(soft-spareFiles, soft/2), nil
}

// Run accepts and serves until ctx ends. Then every connection that is still up gets 1001, every descriptor is closed, and every
// goroutine has ended when it returns. It runs once.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(s.loops))
	var loops sync.WaitGroup
	for i, l := range s.loops {
		loops.Go(func() {
			defer cancel() // one loop that fails ends them all
			errs[i] = l.run(ctx)
		})
	}
	loops.Wait()
	return errors.Join(errors.Join(errs...), s.http.Close())
}

// Addr is the bound address.
func (s *Server) Addr() net.Addr { return s.addr }

// HTTP is the listener of what is no socket: each of its connections begins with the bytes that were read already. Closing
// it leaves the sockets alone; it closes by itself at the end of Run.
func (s *Server) HTTP() net.Listener { return s.http }

// Refuse answers every new upgrade from now on with 503 and a Retry-After of about this long, spread: for draining.
func (s *Server) Refuse(retryAfter time.Duration) {
	s.refusing.Store(int64(max(retryAfter, time.Second)))
}

// Loops is the number of loops.
func (s *Server) Loops() int { return len(s.loops) }

// Post runs f in a loop, soon; from any goroutine, without blocking. After the end of Run it does nothing.
func (s *Server) Post(loop int, f func()) {
	l := s.loops[loop]
	l.Post(func() {
		defer l.recovered(nil)
		f()
	})
}

// eachSlice is how many connections Each visits before the loop looks at its descriptors again: 256 broadcast frames
// take about 2 ms.
const eachSlice = 256

// Each calls f in a loop for every open connection of it, until f returns false: in slices, between which the loop reads. It
// returns at once. Connections that open or close meanwhile may be left out.
func (s *Server) Each(loop int, f func(*Conn) bool) {
	l := s.loops[loop]
	next := 0
	var visit func()
	visit = func() {
		defer l.recovered(nil)
		for budget := eachSlice; next < len(l.conns) && budget > 0; {
			c := l.conns[next]
			next++
			if c == nil || c.phase != phaseOpen || c.ending.Load() {
				continue
			}
			budget--
			if !f(c) {
				return
			}
		}
		if next < len(l.conns) {
			l.Post(visit)
		}
	}
	l.Post(visit)
}

// bucket is a token bucket of an instance: two seconds' worth may be taken at once. It remembers only when it will be full again.
type bucket struct {
	interval time.Duration // between two tokens
	full     atomic.Int64  // Unix ns
}

func (b *bucket) take(now time.Time) bool {
	for {
		full := b.full.Load()
		next := max(full, now.UnixNano()) + int64(b.interval)
		if next-now.UnixNano() > int64(burst*time.Second) {
			return false
		}
		if b.full.CompareAndSwap(full, next) {
			return true
		}
	}
}
