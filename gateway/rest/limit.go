package rest

import (
	"net/netip"
	"sync"
	"time"
)

// maxBuckets bounds the memory of a limiter: a flood from more addresses than that starts everybody's count anew.
const maxBuckets = 100_000

// limiter is a token bucket an address: so many requests a minute, all of them at once if need be. It counts for this instance alone.
type limiter struct {
	perMinute float64

	mu      sync.Mutex
	buckets map[netip.Addr]bucket // guarded by mu
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(perMinute int) *limiter {
	return &limiter{perMinute: float64(perMinute), buckets: make(map[netip.Addr]bucket)}
}

// take uses up one request of an address's, or tells how long to wait for the next.
func (l *limiter) take(from netip.Addr, now time.Time) (wait time.Duration, ok bool) {
	from = household(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[from]
	if !known {
		if len(l.buckets) >= maxBuckets {
			l.forget(now)
		}
		b = bucket{left: l.perMinute, at: now}
	}
	b.left = min(l.perMinute, b.left+now.Sub(b.at).Minutes()*l.perMinute)
	b.at = now
	if b.left >= 1 {
		b.left--
		l.buckets[from] = b
		return 0, true
	}
	l.buckets[from] = b
	return time.Duration((1 - b.left) / l.perMinute * float64(time.Minute)), false
}

// forget drops those who have their whole minute back; when that is nobody, all.
func (l *limiter) forget(now time.Time) {
	for from, b := range l.buckets {
		if now.Sub(b.at) >= time.Minute {
			delete(l.buckets, from)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// household is what counts as one address: the /64 of IPv6, since that many belong to everybody.
func household(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		prefix, _ := ip.Prefix(64) // never fails: 64 fits
		return prefix.Addr()
	}
	return ip
}
