package socket

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server accepts on the one public port.
type Server struct{}

// Listen binds addr ("host:port", port 0 for any). Nothing is accepted before Run; Run with an ended context releases a
// server that is not wanted after all.
func Listen(cfg Config, addr string, h Handler, log *slog.Logger) (*Server, error) {
	panic("not built yet")
}

// Run accepts and serves until ctx ends. Then every connection that is still up gets 1001, every descriptor is closed, and every
// goroutine has ended when it returns. It runs once.
func (s *Server) Run(ctx context.Context) error { panic("not built yet") }

// Addr is the bound address.
func (s *Server) Addr() net.Addr { panic("not built yet") }

// HTTP is the listener of what is no socket: each of its connections begins with the bytes that were read already. Closing
// it leaves the sockets alone; it closes by itself at the end of Run.
func (s *Server) HTTP() net.Listener { panic("not built yet") }

// Adopt takes over an upgrade that arrived inside net/http (a proxy may reuse a connection that carried REST): conn and
// buffered are what http.Hijacker gave. It is checked and answered like any other upgrade. On an error conn is closed.
func (s *Server) Adopt(conn net.Conn, r *http.Request, buffered []byte) error { panic("not built yet") }

// Refuse answers every new upgrade from now on with 503 and a Retry-After of about this long, spread: for draining.
func (s *Server) Refuse(retryAfter time.Duration) { panic("not built yet") }

// Loops is the number of loops.
func (s *Server) Loops() int { panic("not built yet") }

// Post runs f in a loop, soon; from any goroutine, without blocking. After the end of Run it does nothing.
func (s *Server) Post(loop int, f func()) { panic("not built yet") }

// Each calls f in a loop for every open connection of it, until f returns false: in slices, between which the loop reads. It
// returns at once. Connections that open or close meanwhile may be left out.
func (s *Server) Each(loop int, f func(*Conn) bool) { panic("not built yet") }

// Stats counts since the start; safe from any goroutine.
type Stats struct {
	Connections uint64 // open sockets now
	Pending     uint64 // connections whose request head is incomplete, or that are closing

	Accepted       uint64 // TCP connections
	HandedOver     uint64 // to HTTP
	Upgraded       uint64
	Rejected       uint64 // upgraded and closed by a typed refusal
	Refused        uint64 // answered 4xx by us or by the verdict
	Shed           uint64 // answered 503: full, draining, storm
	HeadTimeouts   uint64
	OutOfFiles     uint64 // accepts that failed for want of a descriptor
	Messages       uint64 // whole data messages in
	MessagesOut    uint64 // messages out, written or queued
	RateLimited    uint64 // messages over the rate
	LatestReplaced uint64 // latest-only frames that never went out, since a newer one took their place
	Panics         uint64 // of the handler; each closed its connection with 1011

	Closed map[uint16]uint64 // ends by code
}

// Stats reads the counters.
func (s *Server) Stats() Stats { panic("not built yet") }
