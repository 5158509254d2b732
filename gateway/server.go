package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/gateway/hub"
	"github.com/halobestie/bestie-gateway/gateway/socket"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Server is one instance's sockets. New makes it, so that presence, pairing and the bus can be given it as their
// audience, Listen binds it to the rooms, Run serves, Drain sends everybody away.
//
// Availability, Deactivated, Position, Listening, Event and Resubscribed never block and may be called from any goroutine
// at any time, also before Listen: then there is nobody to tell.
type Server struct {
	// Fixed by New.
	cfg    Config
	auth   Auth
	clock  core.Clock
	log    *slog.Logger
	hub    *hub.Hub[*client]
	beacon *hub.Beacon[*client, *socket.SharedFrame]

	// Fixed by Listen, before anything is accepted.
	rooms    Rooms
	dispatch *dispatch.Dispatcher
	workers  *workers
	http     *http.Server
	jobs     context.Context // ends when the server has stopped: what requests run under
	stopJobs context.CancelFunc
	answers  [][]byte // for each loop, the buffer that it answers from

	sock      atomic.Pointer[socket.Server] // nil before Listen
	draining  atomic.Bool
	drainEnds atomic.Int64  // Unix ns
	waiting   waiting       // mitras without an epoch
	seen      window        // outbox ids
	missed    chan struct{} // of capacity 1: the bus was resubscribed
	stats     counters
}

// New makes a server that is not bound yet. clock is Postgres's clock as this instance knows it: it stamps server_time
// and decides which offers are over.
func New(cfg Config, auth Auth, clock core.Clock, log *slog.Logger) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, auth: auth, clock: clock, log: log,
		hub:     hub.New[*client](),
		answers: make([][]byte, cfg.Socket.Loops),
		missed:  make(chan struct{}, 1),
		seen:    newWindow(seenEvents),
	}
	s.beacon = hub.NewBeacon[*client](cfg.Socket.Loops, cfg.Pace, share, s.post)
	return s
}

// share encodes an availability frame once for all who are told.
func share(a protocol.Availability) *socket.SharedFrame { return socket.Share(a.Append(nil, 0)) }

// post runs f in a loop; before Listen there is none, and nobody in it.
func (s *Server) post(loop int, f func()) {
	if sock := s.sock.Load(); sock != nil {
		sock.Post(loop, f)
	}
}

// Listen binds addr ("host:port"). Nothing is accepted before Run; Run with an ended context releases a server that is not
// wanted after all.
func (s *Server) Listen(addr string, rooms Rooms) error {
	s.rooms = rooms
	s.dispatch = dispatch.New(dispatch.Rooms{
		Presence: rooms.Presence, Pairing: rooms.Pairing, Chat: rooms.Chat, Devices: rooms.Devices, Beacon: s,
	}, s.clock, s.log)
	s.http = newHTTP(s, rooms.HTTP, s.log)
	var err error
	if s.workers, err = newWorkers(s.cfg.Workers, s.cfg.Line); err != nil {
		return fmt.Errorf("gateway: workers: %w", err)
	}
	sock, err := socket.Listen(s.cfg.Socket, addr, s, s.log)
	if err != nil {
		s.workers.stop()
		return err
	}
	s.jobs, s.stopJobs = context.WithCancel(context.Background())
	s.sock.Store(sock)
	return nil
}

// Addr is the bound address.
func (s *Server) Addr() net.Addr { return s.sock.Load().Addr() }

// Run serves until ctx ends. When it returns, every connection is closed, every request under way has ended, and so has
// every goroutine.
func (s *Server) Run(ctx context.Context) error {
	s.firstCount(ctx)
	sock := s.sock.Load()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return sock.Run(ctx) })
	group.Go(func() error { return s.serveHTTP(ctx, sock.HTTP()) })
	group.Go(func() error { s.beacon.Run(ctx); return nil })
	group.Go(func() error { s.readOutbox(ctx); return nil })
	group.Go(func() error { s.retryEpochs(ctx); return nil })
	err := group.Wait()
	// Requests under way get a moment to commit and be done; nobody is there to hear of it.
	s.workers.wait(time.Second / 2)
	s.stopJobs()
	s.workers.stop()
	return err
}

// firstCount gives the first subscribers a number. Without one they are told 0 until presence counts.
func (s *Server) firstCount(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if now, err := s.rooms.Presence.Available(ctx); err == nil {
		s.Availability(now.Count, now.At)
	} else if !errors.Is(err, context.Canceled) {
		s.log.Warn("available mitras are not counted yet", "error", err)
	}
}

// Available is the number of available mitras as this instance was told last (dispatch.Beacon).
func (s *Server) Available() presence.Availability {
	value, known := s.beacon.Current()
	if !known {
		return presence.Availability{}
	}
	return presence.Availability{Count: value.Available, At: time.UnixMilli(value.At)}
}

// close ends a connection with a code of the protocol.
func (s *Server) close(c *client, code protocol.CloseCode) {
	spec, _ := code.Spec()
	c.conn.Close(uint16(code), spec.Name)
}

type counters struct {
	customers atomic.Int64

	overloaded, stateless, panics, notAdopted           atomic.Uint64
	events, duplicates, unknownEvents, delivered, polls atomic.Uint64
}

// Stats are levels now and counters since the start.
type Stats struct {
	// Levels.
	Connections uint64 // sockets up, customers and mitras
	Customers   uint64
	Epochless   uint64 // mitras that have no epoch, since Postgres was out
	Busy        uint64 // workers
	InLine      uint64 // connections that wait for a worker

	// Counters.
	Overloaded    uint64 // answered OVERLOADED
	Stateless     uint64 // welcomes without a state
	Panics        uint64 // of a request
	NotAdopted    uint64 // upgrades inside net/http that failed
	Events        uint64 // taken in, each once
	Duplicates    uint64 // events that were here before
	UnknownEvents uint64 // of another version, or not readable
	Delivered     uint64 // event frames to connections
	OutboxReads   uint64

	Dispatch dispatch.Stats
	Socket   socket.Stats
}

// Stats may be called at any time after Listen.
func (s *Server) Stats() Stats {
	c := &s.stats
	busy, inLine := s.workers.load()
	return Stats{
		Connections:   uint64(s.hub.Len()),
		Customers:     uint64(c.customers.Load()),
		Epochless:     uint64(s.waiting.len()),
		Busy:          uint64(busy),
		InLine:        uint64(inLine),
		Overloaded:    c.overloaded.Load(),
		Stateless:     c.stateless.Load(),
		Panics:        c.panics.Load(),
		NotAdopted:    c.notAdopted.Load(),
		Events:        c.events.Load(),
		Duplicates:    c.duplicates.Load(),
		UnknownEvents: c.unknownEvents.Load(),
		Delivered:     c.delivered.Load(),
		OutboxReads:   c.polls.Load(),
		Dispatch:      s.dispatch.Stats(),
		Socket:        s.sock.Load().Stats(),
	}
}
