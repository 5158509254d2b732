package rest_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

// shared is a count that another instance may have used up.
type shared struct {
	mu    sync.Mutex
	taken map[string]int
	wait  time.Duration // of everything
	err   error
}

func (s *shared) Take(_ context.Context, key string, _ int) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[key]++
	return s.wait, s.err
}

func (s *shared) set(wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait, s.err = wait, err
}

func TestRateLimit_AllInstancesCount(t *testing.T) {
	t.Parallel()
	limits := &shared{taken: map[string]int{}}
	h := openWith(t, rest.Config{PerIPPerMinute: 8, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		func(d *rest.Deps) { d.Limits = limits })
	from := func(ip string) answer { return h.get("/api/client/packages", "X-Forwarded-For", ip) } // without a token
	from("203.0.113.9").ok(t, 401)
	from("2001:db8:1:2:3::4").ok(t, 401)
	h.get("/healthz", "X-Forwarded-For", "203.0.113.9").ok(t, 200) // asks nobody
	require.Equal(t, map[string]int{"ip:203.0.113.9": 1, "ip:2001:db8:1:2::": 1}, limits.taken)

	limits.set(3*time.Second, nil)
	used := from("203.0.113.9")
	used.failed(t, 429, core.RateLimited)
	require.Equal(t, 3, used.body.Error.RetryAfter)

	limits.set(0, errors.New("Valkey is away"))
	for range 6 {
		from("203.0.113.9").ok(t, 401)
	}
	from("203.0.113.9").failed(t, 429, core.RateLimited)
	require.Equal(t, 8, limits.taken["ip:203.0.113.9"], "what this instance refuses costs no question")
}

func TestRateLimit_ByAccount(t *testing.T) {
	t.Parallel()
	h := openWith(t, rest.Config{PerAccountPerMinute: 5}, nil)
	mine, theirs := h.signedIn(), h.signedIn()
	for range 5 {
		h.get("/api/client/packages", bearer(mine.body.AccessToken)...).ok(t, 200)
	}
	limited := h.get("/api/client/auth/me", bearer(mine.body.AccessToken)...)
	limited.failed(t, 429, core.RateLimited)
	require.InDelta(t, 12, limited.body.Error.RetryAfter, 1)
	h.get("/api/client/packages", bearer(theirs.body.AccessToken)...).ok(t, 200)
	h.get("/healthz").ok(t, 200)
}

// counting counts statements.
type counting struct{ statements, ofCodes atomic.Int64 }

func (c *counting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, query pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	if strings.Contains(query.SQL, "otp_requests") || strings.Contains(query.SQL, "advisory") {
		c.ofCodes.Add(1)
	}
	return ctx
}

func (c *counting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Who somebody is, and whether their session was revoked, is asked of nobody: a request costs the statements of its own answer alone.
func TestBearer_CostsNoStatement(t *testing.T) {
	t.Parallel()
	h := open(t)
	good, over := h.signedIn(), h.signedIn()
	h.post("/api/shared/auth/logout", "", bearer(over.body.AccessToken)...).ok(t, http.StatusNoContent)
	h.get("/api/client/auth/me", bearer(good.body.AccessToken)...).ok(t, 200) // the start of everything is over

	const looks = 10 // of the deny list's own, twice a minute, however slow the machine is
	before := h.statements.statements.Load()
	for range 50 {
		h.get("/api/mitra/auth/me", bearer(good.body.AccessToken)...).failed(t, 403, core.Forbidden)
		h.get("/api/client/auth/me", bearer(over.body.AccessToken)...).failed(t, 401, core.SessionRevoked)
		h.get("/api/client/auth/me", bearer("nonsense")...).failed(t, 401, core.Unauthenticated)
	}
	own := h.statements.statements.Load() - before
	require.LessOrEqual(t, own, int64(looks))
	for range 50 {
		h.get("/api/client/packages", bearer(good.body.AccessToken)...).ok(t, 200)
	}
	require.InDelta(t, 50, h.statements.statements.Load()-before-own, looks, "one each, for the packages")
}
