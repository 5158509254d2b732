package sim

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// meters are what all clients count. Safe for any number of goroutines.
type meters struct {
	connect, heartbeat, answer, beacon, firstOffer, told histogram

	sockets, searching, paired           atomic.Int64 // levels
	available                            atomic.Int64 // the count that was seen last
	heartbeats, requests, matched, ended atomic.Uint64
	unmatched, cancelled, skipped        atomic.Uint64
	reconnects, refused, stale           atomic.Uint64
	paid, extended, rerouted             atomic.Uint64
	unseen                               atomic.Uint64 // changes of the count that a customer did not see in time

	answers codes // errors that a busy day brings, by code
	errors  codes // all other ones
}

// codes counts errors by code.
type codes struct {
	mu    sync.Mutex
	count map[protocol.ErrorCode]uint64
}

func (c *codes) add(code protocol.ErrorCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = make(map[protocol.ErrorCode]uint64)
	}
	c.count[code]++
}

// snapshot is a copy, and the sum.
func (c *codes) snapshot() (map[protocol.ErrorCode]uint64, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sum uint64
	for _, n := range c.count {
		sum += n
	}
	return maps.Clone(c.count), sum
}

// histogram counts durations in buckets that are 1 % wide, from 1 µs to some minutes, without a lock.
type histogram struct {
	buckets [2048]atomic.Uint64
	n       atomic.Uint64
	longest atomic.Int64
}

const bucketWidth = 1.01

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	bucket := 0
	if d > time.Microsecond {
		bucket = int(math.Log(float64(d)/float64(time.Microsecond)) / math.Log(bucketWidth))
	}
	h.buckets[min(bucket, len(h.buckets)-1)].Add(1)
	h.n.Add(1)
	for {
		longest := h.longest.Load()
		if int64(d) <= longest || h.longest.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}

// quantile is the duration below which that part of them is, at most 1 % too long.
func (h *histogram) quantile(part float64) time.Duration {
	rank := uint64(math.Ceil(part * float64(h.n.Load())))
	if rank == 0 {
		return 0
	}
	for bucket := range h.buckets {
		n := h.buckets[bucket].Load()
		if n >= rank {
			upper := time.Duration(math.Pow(bucketWidth, float64(bucket+1)) * float64(time.Microsecond))
			return min(upper, time.Duration(h.longest.Load()))
		}
		rank -= n
	}
	return time.Duration(h.longest.Load())
}

// latency sums a histogram up.
func (h *histogram) latency(name string) Latency {
	return Latency{
		Name: name, N: h.n.Load(), Max: time.Duration(h.longest.Load()),
		P50: h.quantile(0.50), P95: h.quantile(0.95), P99: h.quantile(0.99),
	}
}
