package chat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// dueBatch is how many due sessions are read at once, and dueWorkers how many of them are worked on at once: enough
	// to keep up with a thousand a second, few enough to leave connections for those who wait for an answer.
	dueBatch   = 200
	dueWorkers = 4
	// longestSleep bounds how late a deadline is noticed that another instance set while this one slept.
	longestSleep = time.Second
	// shortestSleep keeps a row that stays due from turning the loop into a spin.
	shortestSleep = 10 * time.Millisecond
)

// Wake has Run look for due sessions at once, for a caller who has just moved a deadline to now. It does not block.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run fires deadlines until ctx ends, and returns nil then. Store errors are logged once an outage and retried every second.
func (s *Service) Run(ctx context.Context) error {
	outage := core.Outage{Log: s.log, What: "session deadlines"}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.wake:
		}
		sleep, err := s.fireDue(ctx)
		_ = outage.Note(ctx, err)
		timer.Reset(sleep)
	}
}

// fireDue takes one batch of due sessions through their next step and says how long to sleep after it.
func (s *Service) fireDue(ctx context.Context) (time.Duration, error) {
	due, wait, err := s.deadlines.Due(ctx, dueBatch)
	if err != nil {
		return longestSleep, err
	}
	err = s.fireAll(ctx, due)
	return sleepAfter(len(due), err != nil, wait), err
}

// fireAll fires every one of them, a few at a time, and waits for all. One that fails does not stop the others.
func (s *Service) fireAll(ctx context.Context, due []Due) error {
	var (
		workers sync.WaitGroup
		queue   = make(chan Due)
		errs    = make([]error, min(dueWorkers, len(due)))
	)
	for i := range errs {
		workers.Go(func() {
			for d := range queue {
				if err := s.fire(ctx, d); err != nil {
					s.failed.Add(1)
					errs[i] = err // the last one stands for all
					continue
				}
				s.fired.Add(1)
			}
		})
	}
	for _, d := range due {
		queue <- d
	}
	close(queue)
	workers.Wait()
	return errors.Join(errs...)
}

func (s *Service) fire(ctx context.Context, d Due) error {
	switch d.Status {
	case Searching:
		return s.searches.Due(ctx, d.ID)
	case PendingPayment:
		return s.deadlines.PaymentTimeout(ctx, d.ID)
	case Active:
		if d.Warn {
			return s.deadlines.WarnEnding(ctx, d.ID)
		}
		return s.deadlines.Expire(ctx, d.ID)
	default:
		return core.Errorf(core.Internal, "session %s is due while %s", d.ID, d.Status)
	}
}

// sleepAfter decides when to look again after a batch: at once when there may be more, after a second when something failed
// (it is still due), else when the next one is due, but at least every second, since others set deadlines too.
// A wait of zero means that nothing is planned.
func sleepAfter(fired int, failed bool, wait time.Duration) time.Duration {
	switch {
	case failed:
		return longestSleep
	case fired == dueBatch:
		return shortestSleep
	case wait <= 0:
		return longestSleep
	default:
		return min(max(wait, shortestSleep), longestSleep)
	}
}
