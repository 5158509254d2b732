package pairing

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// expiryEvery and expiryBatch: an offer is closed within half a second of its end.
	expiryEvery = 500 * time.Millisecond
	expiryBatch = 500
	// tickEvery is how often the queue is looked at without a reason, and every positionsTick-th tick tells positions.
	tickEvery     = time.Second
	positionsTick = 2
	// freedBatch is how many freed mitras are served between two looks at the queue, and serveWorkers how many at once.
	freedBatch   = 100
	serveWorkers = 4
)

// Freed says that these mitras can take a session now. It does not block; Run offers each of them the oldest waiting search.
func (s *Service) Freed(ids []core.MitraID) { s.freed.add(ids) }

// Run expires offers, serves waiting searches and tells positions until ctx ends, and returns nil then. Store errors are
// logged once an outage and retried.
func (s *Service) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { s.expireLoop(ctx) })
	loops.Go(func() { s.freedLoop(ctx) })
	loops.Go(func() { s.queueLoop(ctx) })
	loops.Wait()
	return nil
}

func (s *Service) expireLoop(ctx context.Context) {
	outage := core.Outage{Log: s.log, What: "closing expired offers"}
	every(ctx, expiryEvery, func() {
		for more := true; more && ctx.Err() == nil; {
			n, err := s.offers.ExpireOffers(ctx, expiryBatch)
			s.expired.Add(uint64(max(n, 0)))
			more = outage.Note(ctx, err) == nil && n == expiryBatch
		}
	})
}

// freedLoop serves mitras as they become free. One whose round failed is not kept: the tick finds it again.
func (s *Service) freedLoop(ctx context.Context) {
	outage := core.Outage{Log: s.log, What: "offering waiting searches to freed mitras"}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.freed.wake:
		}
		for mitras := s.freed.take(freedBatch); len(mitras) > 0 && ctx.Err() == nil; mitras = s.freed.take(freedBatch) {
			_ = outage.Note(ctx, s.serveFreed(ctx, mitras))
		}
	}
}

// serveFreed looks at the queue once for all of them: most of the time nobody waits, and a thousand mitras who come
// online cost a read each hundred.
func (s *Service) serveFreed(ctx context.Context, mitras []core.MitraID) error {
	waiting, err := s.queue.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return err
	}
	return s.serve(ctx, mitras)
}

func (s *Service) queueLoop(ctx context.Context) {
	outage := core.Outage{Log: s.log, What: "serving the queue"}
	tick := 0
	every(ctx, tickEvery, func() {
		tick++
		_ = outage.Note(ctx, s.lookAtQueue(ctx, tick%positionsTick == 0))
	})
}

// lookAtQueue offers what waits to whoever is available, and tells positions when asked to.
func (s *Service) lookAtQueue(ctx context.Context, tellPositions bool) error {
	waiting, err := s.queue.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return err
	}
	if tellPositions && s.line.Listening() {
		now := time.Now()
		for i, w := range waiting {
			s.line.Position(w.CustomerID, w.SessionID, i+1, now)
		}
	}
	mitras, err := s.candidates.FindAvailable(ctx, enough(len(waiting), s.settings().WaveSize), nil)
	if err != nil {
		return err
	}
	return s.serve(ctx, mitras)
}

// enough is how many mitras a tick asks about: no more than the waiting searches can have open offers.
func enough(waiting, waveSize int) int { return min(waiting*waveSize, MaxConsidered) }

// serve offers each mitra the oldest search it can be asked about, a few mitras at a time, and waits for all.
func (s *Service) serve(ctx context.Context, mitras []core.MitraID) error {
	var (
		workers sync.WaitGroup
		queue   = make(chan core.MitraID)
		errs    = make([]error, min(serveWorkers, len(mitras)))
	)
	for i := range errs {
		workers.Go(func() {
			for mitra := range queue {
				switch offered, err := s.queue.OfferOldest(ctx, mitra); {
				case err != nil:
					errs[i] = err // the last one stands for all
				case offered:
					s.waitingServed.Add(1)
				}
			}
		})
	}
	for _, mitra := range mitras {
		queue <- mitra
	}
	close(queue)
	workers.Wait()
	return firstError(errs)
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// every calls f at once and then in that interval until ctx ends. A slow f skips ticks, it does not gather them.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
