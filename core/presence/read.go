package presence

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/halobestie/bestie-gateway/core"
)

// countEvery is how often Postgres counts while the mirror cannot.
const countEvery = 10 * time.Second

// postgresTimeout bounds the shared count, which no single caller's context may cut short.
const postgresTimeout = 2 * time.Second

// FindAvailable names up to k available mitras, the longest waiting first, without those excluded. UNAVAILABLE when both
// stores are out.
func (s *Service) FindAvailable(ctx context.Context, k int, exclude []core.MitraID) ([]core.MitraID, error) {
	if k <= 0 {
		return nil, nil
	}
	ids, err := s.mirror.FindAvailable(ctx, k, exclude)
	if !s.fallsBack(ctx, &s.counters.find, err) {
		return ids, err
	}
	ids, err = s.fallback.FindAvailable(ctx, k, exclude, s.cfg.fallbackFresh())
	return ids, unavailable(err)
}

// IsReachable tells whether a mitra is online, active and heard from. UNAVAILABLE when both stores are out.
func (s *Service) IsReachable(ctx context.Context, mitra core.MitraID) (bool, error) {
	reachable, err := s.mirror.IsReachable(ctx, mitra)
	if !s.fallsBack(ctx, &s.counters.reachable, err) {
		return reachable, err
	}
	reachable, err = s.fallback.IsReachable(ctx, mitra, s.cfg.fallbackFresh())
	return reachable, unavailable(err)
}

// Available is the count of available mitras; from Postgres it may be 10 s old. UNAVAILABLE when both stores are out.
func (s *Service) Available(ctx context.Context) (Availability, error) {
	now, err := s.mirror.Available(ctx)
	if !s.fallsBack(ctx, &s.counters.available, err) {
		return now, err
	}
	return s.countInPostgres(ctx)
}

// Mitra reads one mitra from Postgres: what its app is shown must be the truth. NOT_FOUND, UNAVAILABLE.
func (s *Service) Mitra(ctx context.Context, mitra core.MitraID) (Mitra, error) {
	found, err := s.truth.Mitras(ctx, []core.MitraID{mitra})
	if err != nil {
		return Mitra{}, err
	}
	if len(found) == 0 {
		return Mitra{}, core.Errorf(core.NotFound, "there is no such mitra")
	}
	return found[0], nil
}

// Counts are the dashboard's numbers; from Postgres they are not Whole. UNAVAILABLE when both stores are out.
func (s *Service) Counts(ctx context.Context) (Counts, error) {
	counts, err := s.mirror.Counts(ctx)
	if !s.fallsBack(ctx, &s.counters.counts, err) {
		return counts, err
	}
	counts, err = s.fallback.Counts(ctx, s.cfg.fallbackFresh())
	return counts, unavailable(err)
}

// fallsBack counts a read by its source and tells whether Postgres has to answer it. It does not when the caller gave up.
func (s *Service) fallsBack(ctx context.Context, read *reads, err error) bool {
	if err == nil {
		read.mirror.Add(1)
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	s.failed(err)
	read.fallback.Add(1)
	return true
}

// unavailable gives an error the code UNAVAILABLE, unless it has one.
func unavailable(err error) error {
	if err == nil || core.CodeOf(err) != core.Internal {
		return err
	}
	return core.Wrap(core.Unavailable, err)
}

// fallbackCount is Postgres's count, taken by one caller at a time and good for countEvery.
type fallbackCount struct {
	flight singleflight.Group
	mu     sync.Mutex
	last   Availability // guarded by mu, like until
	until  time.Time
}

func (c *fallbackCount) get() (Availability, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, time.Now().Before(c.until)
}

func (c *fallbackCount) put(a Availability) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.until = a, time.Now().Add(countEvery)
}

// countInPostgres counts, or gives the count of the last 10 s.
func (s *Service) countInPostgres(ctx context.Context) (Availability, error) {
	if last, ok := s.count.get(); ok {
		return last, nil
	}
	counted, err, _ := s.count.flight.Do("", func() (any, error) {
		if last, ok := s.count.get(); ok { // another flight has just landed
			return last, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgresTimeout)
		defer cancel()
		n, err := s.fallback.CountAvailable(ctx, s.cfg.fallbackFresh())
		if err != nil {
			return Availability{}, err
		}
		now := Availability{Count: n, At: s.clock()}
		s.count.put(now)
		return now, nil
	})
	return counted.(Availability), unavailable(err)
}
