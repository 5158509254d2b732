package socket

import (
	"sync"
	"sync/atomic"
)

// Stats counts since the start.
type Stats struct {
	Connections uint64 // sockets now, those that are closing among them
	Pending     uint64 // connections now that are no sockets: the request head is incomplete, or the refusal not yet read

	Accepted       uint64 // TCP connections
	HandedOver     uint64 // to HTTP
	Upgraded       uint64
	Rejected       uint64 // upgraded and closed at once by a typed refusal
	Refused        uint64 // answered 4xx, by us or by the verdict
	Shed           uint64 // answered 503: full, draining, storm; or HTTP's queue was full
	HeadTimeouts   uint64
	OutOfFiles     uint64 // accepts that failed for want of a descriptor
	Messages       uint64 // whole data messages in
	MessagesOut    uint64 // messages out, written or queued
	RateLimited    uint64 // messages over the rate
	LatestReplaced uint64 // latest-only frames that never went out, since a newer one took their place
	Panics         uint64 // of the handler; each closed its connection with 1011

	Closed map[uint16]uint64 // ends by code
}

// counters are a loop's own, so that loops do not share cache lines.
type counters struct {
	present                                                 atomic.Int64
	accepted, handedOver, upgraded, rejected, refused, shed atomic.Uint64
	headTimeouts, outOfFiles, panics                        atomic.Uint64
	messages, messagesOut, rateLimited, latestReplaced      atomic.Uint64

	mu   sync.Mutex
	ends map[uint16]uint64
}

func (l *loop) countEnd(code uint16) {
	l.stats.mu.Lock()
	defer l.stats.mu.Unlock()
	if l.stats.ends == nil {
		l.stats.ends = make(map[uint16]uint64)
	}
	l.stats.ends[code]++
}

// Stats reads the counters; from any goroutine. They are not read at one instant.
func (s *Server) Stats() Stats {
	sum := Stats{Closed: make(map[uint16]uint64)}
	present := int64(0)
	for _, l := range s.loops {
		l.stats.addTo(&sum)
		present += l.stats.present.Load()
	}
	connections := max(0, s.connections.Load())
	sum.Connections = uint64(connections)
	sum.Pending = uint64(max(0, present-connections))
	return sum
}

func (c *counters) addTo(sum *Stats) {
	sum.Accepted += c.accepted.Load()
	sum.HandedOver += c.handedOver.Load()
	sum.Upgraded += c.upgraded.Load()
	sum.Rejected += c.rejected.Load()
	sum.Refused += c.refused.Load()
	sum.Shed += c.shed.Load()
	sum.HeadTimeouts += c.headTimeouts.Load()
	sum.OutOfFiles += c.outOfFiles.Load()
	sum.Messages += c.messages.Load()
	sum.MessagesOut += c.messagesOut.Load()
	sum.RateLimited += c.rateLimited.Load()
	sum.LatestReplaced += c.latestReplaced.Load()
	sum.Panics += c.panics.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	for code, n := range c.ends {
		sum.Closed[code] += n
	}
}
