package rest

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// maxBuckets bounds the memory of a limiter: a flood of more keys than that starts everybody's count anew.
const maxBuckets = 100_000

// limiter is a token bucket a key, an address or an account: so many requests a minute, all of them at once if need be. It
// counts for this instance, and through shared for all of them; while that is away, for this instance alone.
type limiter struct {
	perMinute float64
	shared    Limits // nil: there is none

	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu
}

type bucket struct {
	left float64
	at   time.Time
}

// newLimiter makes one; nil, which limits nothing, for 0.
func newLimiter(perMinute int, shared Limits) *limiter {
	if perMinute <= 0 {
		return nil
	}
	return &limiter{perMinute: float64(perMinute), shared: shared, buckets: make(map[string]bucket)}
}

// take uses up one request of a key's, or tells how long to wait for the next. Who has used up what this instance alone would give
// costs the others no question.
func (l *limiter) take(ctx context.Context, key string, now time.Time) (wait time.Duration, ok bool) {
	if wait, ok = l.takeHere(key, now); !ok || l.shared == nil {
		return wait, ok
	}
	wait, err := l.shared.Take(ctx, key, int(l.perMinute))
	return wait, err != nil || wait <= 0
}

func (l *limiter) takeHere(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
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
		l.buckets[key] = b
		return 0, true
	}
	l.buckets[key] = b
	return time.Duration((1 - b.left) / l.perMinute * float64(time.Minute)), false
}

// forget drops those who have their whole minute back; when they are few, all, so that a flood does not have it look again for each key.
func (l *limiter) forget(now time.Time) {
	for key, b := range l.buckets {
		if now.Sub(b.at) >= time.Minute {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) > maxBuckets*9/10 {
		clear(l.buckets)
	}
}

// allow holds a request to a limiter. Loopback is free while the test routes are on. RATE_LIMITED.
func (s *server) allow(l *limiter, r *http.Request, key string) error {
	if l == nil || s.freeLoopback && requestOf(r.Context()).from.IsLoopback() {
		return nil
	}
	if wait, ok := l.take(r.Context(), key, s.clock()); !ok {
		return &core.Error{Code: core.RateLimited, Message: "too many requests", RetryAfter: wait}
	}
	return nil
}

// limited holds every address to its requests a minute. Probes are counted here alone, since liveness depends on nothing outside.
func (s *server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limiter := s.addresses
		switch r.URL.Path {
		case webhookPath: // the vendor's may come as they like; who has no token is limited there
			limiter = nil
		case "/healthz", "/readyz":
			limiter = s.probes
		}
		if err := s.allow(limiter, r, "ip:"+household(requestOf(r.Context()).from).String()); err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
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
