package push

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	// batch is how many pushes are claimed and sent at once: at the vendor's usual tenth of a second, 500 a second and instance.
	batch = 50
	// sendTime bounds one attempt; hold, how long the others leave a claimed push alone, leaves room to settle it. It is short
	// because an offer lives for seconds: one whose instance died is sent by another while it still counts.
	sendTime = 3 * time.Second
	hold     = sendTime + 3*time.Second
	// linger is how long attempts go on when the service is told to stop, so that a stop is no crash.
	linger = 400 * time.Millisecond
	// longestSleep bounds how late a push is noticed that another instance queued; shortestSleep keeps a fault from spinning.
	longestSleep  = time.Second
	shortestSleep = 10 * time.Millisecond
	// A failed attempt is made again after firstRetry, then twice as long each time up to lastRetry, for as long as the push lives.
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// tellAgain is how often one reason for refusals is logged.
	tellAgain = time.Hour
)

// Run sends what is queued until ctx ends, and returns nil then. An outage of the store or the vendor is logged once.
func (s *Service) Run(ctx context.Context) error {
	r := &round{
		Service: s, told: map[string]time.Time{},
		queueDown:  core.Outage{Log: s.log, What: "reading queued pushes"},
		vendorDown: core.Outage{Log: s.log, What: "sending pushes"},
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		sleep, err := r.next(ctx)
		_ = r.queueDown.Note(ctx, err)
		timer.Reset(sleep)
	}
}

// round is what Run keeps from one look at the queue to the next. It belongs to Run's goroutine.
type round struct {
	*Service
	unsettled  Outcome              // what the store could not take yet
	told       map[string]time.Time // when a reason for refusals was logged last
	queueDown  core.Outage
	vendorDown core.Outage
}

// next queues due offers, sends one batch, settles it, and says how long to sleep.
func (r *round) next(ctx context.Context) (time.Duration, error) {
	if err := r.settle(ctx); err != nil {
		return longestSleep, err // what was sent would be claimed again
	}
	taken, wait, err := r.queue.TakeOffers(ctx, batch)
	if err != nil {
		return longestSleep, err
	}
	r.counters.offers.Add(uint64(taken))
	claimed, err := r.queue.Claim(ctx, batch, hold)
	if err != nil {
		return longestSleep, err
	}
	r.judge(ctx, claimed, r.sendAll(ctx, claimed))
	if err := r.settle(ctx); err != nil {
		return longestSleep, err
	}
	switch {
	case taken == batch || len(claimed) == batch:
		return shortestSleep, nil
	case wait <= 0:
		return longestSleep, nil
	default:
		return min(max(wait, shortestSleep), longestSleep), nil
	}
}

// sendAll makes one attempt for each, all at once, and gives what became of each.
func (r *round) sendAll(ctx context.Context, claimed []Push) []error {
	results := make([]error, len(claimed))
	ctx, cancel := outlive(ctx, linger)
	defer cancel()
	ctx, cancelSend := context.WithTimeout(ctx, sendTime)
	defer cancelSend()
	var sending sync.WaitGroup
	for i, p := range claimed {
		sending.Go(func() { results[i] = r.sender.Send(ctx, p.Message()) })
	}
	sending.Wait()
	return results
}

// judge turns the vendor's answers into what to settle.
func (r *round) judge(ctx context.Context, claimed []Push, results []error) {
	out := &r.unsettled
	var sent int
	var failure error // one stands for all
	for i, p := range claimed {
		var busy *BusyError
		var refused *RefusedError
		err := results[i]
		if errors.As(err, &refused) {
			r.tell(p, refused)
		}
		switch {
		case err == nil:
			sent++
			out.Done = append(out.Done, p.ID)
		case errors.Is(err, ErrDeadToken):
			r.counters.dead.Add(1)
			out.Done, out.Dead = append(out.Done, p.ID), append(out.Dead, p.Token)
		case refused != nil:
			r.counters.refused.Add(1)
			out.Done = append(out.Done, p.ID)
		case errors.As(err, &busy):
			failure = err
			out.Later = append(out.Later, Later{p.ID, max(busy.After+rand.N(busy.After/4+1), backoff(p.Attempt))})
		default:
			failure = err
			out.Later = append(out.Later, Later{p.ID, backoff(p.Attempt)})
		}
	}
	r.counters.sent.Add(uint64(sent))
	r.counters.again.Add(uint64(len(out.Later)))
	if sent > 0 {
		failure = nil
	}
	if sent > 0 || failure != nil {
		_ = r.vendorDown.Note(ctx, failure)
	}
}

// backoff is the pause after an attempt: twice that of the one before, half of it by chance.
func backoff(attempt int) time.Duration {
	pause := lastRetry
	if attempt <= 8 {
		pause = firstRetry << (attempt - 1)
	}
	return pause/2 + rand.N(pause/2)
}

// tell logs a refusal, but each reason once an hour.
func (r *round) tell(p Push, refused *RefusedError) {
	if last, known := r.told[refused.Reason]; known && time.Since(last) < tellAgain {
		return
	}
	r.told[refused.Reason] = time.Now()
	r.log.Error("the push provider refuses", "reason", refused.Reason, "kind", string(p.Kind), "platform", string(p.Platform), "error", refused.Err)
}

// settle writes down what is known, also when the service is being stopped. What fails is kept for the next round.
func (r *round) settle(ctx context.Context) error {
	if r.unsettled.empty() {
		return nil
	}
	err := r.queue.Settle(context.WithoutCancel(ctx), r.unsettled)
	if err == nil {
		r.unsettled = Outcome{}
	}
	return err
}

// outlive gives a context that goes on for a moment when ctx is cancelled. cancel must be called.
func outlive(ctx context.Context, moment time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	detach := context.AfterFunc(ctx, func() { time.AfterFunc(moment, cancel) })
	return out, func() { detach(); cancel() }
}
