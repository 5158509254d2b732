package push_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core/push"
)

// rig is the service running in a bubble.
type rig struct {
	*push.Service
	queue  *queue
	vendor *vendor
	log    *bytes.Buffer
	stop   func() // and wait for its end
}

func run(t *testing.T, q *queue, answer func(context.Context, push.Message) error) *rig {
	t.Helper()
	r := &rig{queue: q, vendor: newVendor(answer), log: &bytes.Buffer{}}
	r.Service = push.NewService(nil, q, r.vendor, slog.New(slog.NewTextHandler(r.log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.stop = func() { cancel(); running.Wait() }
	t.Cleanup(r.stop)
	return r
}

// pass lets time go by, after what the test did so far.
func (r *rig) pass(d time.Duration) {
	r.queue.publish()
	time.Sleep(d)
	synctest.Wait()
}

func TestRun_AnOfferIsPushedWhenItIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.offers = []time.Time{time.Now().Add(2 * time.Second), time.Now().Add(2300 * time.Millisecond)}
		r := run(t, q, takesAll)
		r.pass(time.Minute)
		times := r.vendor.times()
		require.Len(t, times, 2, "each once")
		require.InDelta(t, 2, times[0].Seconds(), 0.02, "not at the next second: when it is due")
		require.InDelta(t, 2.3, times[1].Seconds(), 0.02)
		require.Empty(t, q.rows)
		require.Equal(t, push.Stats{OffersTaken: 2, Sent: 2}, r.Stats())
		require.Less(t, q.claims, 70, "an idle queue is looked at once a second")
	})
}

func TestRun_MoreThanABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(slices.Repeat([]push.Kind{push.SessionEnded}, 173)...)
		r := run(t, q, takesAll)
		r.pass(500 * time.Millisecond)
		require.Len(t, r.vendor.times(), 173, "batch after batch without a pause")
		require.Empty(t, q.rows)
	})
}

func TestRun_DeadTokensGoInABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded, push.SetOffline, push.SessionStarted)
		r := run(t, q, func(_ context.Context, m push.Message) error {
			if m.Data["type"] == string(push.SetOffline) {
				return nil
			}
			return errors.Join(push.ErrDeadToken, errors.New("UNREGISTERED"))
		})
		r.pass(time.Minute)
		require.ElementsMatch(t, []string{"a", "c"}, q.dead)
		require.Equal(t, 1, q.settles)
		require.Empty(t, q.rows, "nothing is sent to them again")
		require.Equal(t, push.Stats{Sent: 1, DeadTokens: 2}, r.Stats())
	})
}

func TestRun_FailuresAreTriedAgainAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded)
		failing := true
		r := run(t, q, func(context.Context, push.Message) error {
			if failing {
				return errors.New("no route to host")
			}
			return nil
		})
		r.pass(4 * time.Minute)
		times := r.vendor.times()
		require.Greater(t, len(times), 4)
		require.Less(t, len(times), 14)
		for i := 1; i < len(times); i++ {
			pause, least := times[i]-times[i-1], 500*time.Millisecond<<(i-1)
			require.GreaterOrEqual(t, pause, least)
			require.LessOrEqual(t, pause, 2*least+time.Second, "the queue is looked at once a second")
		}
		require.Equal(t, 1, strings.Count(r.log.String(), "\n"), "an outage is one line:\n%s", r.log)
		failing = false
		r.pass(5 * time.Minute)
		require.Len(t, r.vendor.times(), 1)
		require.Empty(t, q.rows)
		require.Contains(t, r.log.String(), "works again")
	})
}

func TestRun_RetryAfterIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded, push.SessionStarted)
		answered := map[string]bool{}
		var mu sync.Mutex
		r := run(t, q, func(_ context.Context, m push.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if m.Token == "b" || answered[m.Token] {
				return nil
			}
			answered[m.Token] = true
			return &push.BusyError{After: 40 * time.Second, Err: errors.New("429")}
		})
		r.pass(2 * time.Minute)
		times := r.vendor.times()
		require.Len(t, times, 3)
		require.Less(t, times[1], time.Second, "the other token does not wait: the limit may be the device's own")
		require.GreaterOrEqual(t, times[2], 40*time.Second)
		require.LessOrEqual(t, times[2], 51*time.Second, "a quarter by chance, and the next look")
	})
}

func TestRun_NothingOutlivesWhatItTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.offers = []time.Time{time.Now()} // an offer that lives 13 seconds
		r := run(t, q, func(context.Context, push.Message) error { return errors.New("away") })
		r.pass(time.Hour)
		times := r.vendor.times()
		require.NotEmpty(t, times)
		require.Less(t, times[len(times)-1], 13*time.Second)
		require.Empty(t, q.rows)
	})
}

func TestRun_RefusalsAreDroppedAndToldOnceAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded, push.SessionEnded)
		r := run(t, q, func(_ context.Context, m push.Message) error {
			if m.Platform == push.IOS {
				return nil
			}
			return &push.RefusedError{Reason: "THIRD_PARTY_AUTH_ERROR", Err: errors.New("401")}
		})
		for range 20 {
			r.pass(time.Minute)
			q.add(push.SetOffline, time.Hour)
		}
		r.pass(time.Minute)
		require.Empty(t, q.rows)
		require.Empty(t, q.dead, "the token may be good")
		require.Equal(t, 1, strings.Count(r.log.String(), "level=ERROR"), r.log)
		r.pass(time.Hour)
		q.add(push.SetOffline, time.Hour)
		r.pass(time.Minute)
		require.Equal(t, 2, strings.Count(r.log.String(), "level=ERROR"), r.log)
	})
}

// All devices at once of another project: they go, and somebody hears of it.
func TestRun_DeadTokensThatAPersonShouldKnowOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded, push.SetOffline)
		r := run(t, q, func(context.Context, push.Message) error {
			return &push.RefusedError{Reason: "SENDER_ID_MISMATCH", Err: push.ErrDeadToken}
		})
		r.pass(time.Minute)
		require.ElementsMatch(t, []string{"a", "b"}, q.dead)
		require.Empty(t, q.rows)
		require.Equal(t, push.Stats{DeadTokens: 2}, r.Stats())
		require.Equal(t, 1, strings.Count(r.log.String(), "level=ERROR"), r.log)
	})
}

func TestRun_AStoreThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded)
		q.down = true
		r := run(t, q, takesAll)
		r.pass(time.Minute)
		require.Empty(t, r.vendor.times())
		require.Equal(t, 1, strings.Count(r.log.String(), "\n"), r.log)
		q.down = false
		r.pass(2 * time.Second)
		require.Len(t, r.vendor.times(), 1)
	})
}

// What was sent and could not be written down is not sent again by this instance, however long that takes.
func TestRun_UnsettledIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded)
		q.cut = true
		r := run(t, q, takesAll)
		r.pass(10 * time.Minute)
		require.Len(t, r.vendor.times(), 1)
		require.Len(t, q.rows, 1)
		q.cut = false
		r.pass(2 * time.Second)
		require.Empty(t, q.rows)
		require.Empty(t, r.vendor.times())
	})
}

// An instance that dies between claiming and settling leaves its pushes to the others, when its claim is over.
func TestRun_AnotherInstanceFollowsOneThatDied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		id := q.add(push.Offer, 13*time.Second)
		claimed, err := q.Claim(t.Context(), 10, 6*time.Second) // and it is never heard of again
		require.NoError(t, err)
		require.Len(t, claimed, 1)
		r := run(t, q, takesAll)
		r.pass(30 * time.Second)
		times := r.vendor.times()
		require.Len(t, times, 1)
		require.InDelta(t, 6.5, times[0].Seconds(), 0.6, "while the offer still lives")
		require.NotContains(t, q.rows, id)
	})
}

func TestRun_ASlowVendorIsLeftInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded)
		r := run(t, q, func(ctx context.Context, _ push.Message) error {
			<-ctx.Done()
			return ctx.Err()
		})
		r.pass(3500 * time.Millisecond)
		require.Len(t, r.vendor.times(), 1)
		require.Equal(t, uint64(1), r.Stats().Deferred, "three seconds are enough for an attempt")
	})
}

// Told to stop, the service finishes what it is sending, and does not wait for what takes long.
func TestRun_Stop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(push.SessionEnded, push.SessionEnded)
		r := run(t, q, func(ctx context.Context, m push.Message) error {
			answer := time.NewTimer(300 * time.Millisecond)
			if m.Token == "b" {
				answer.Reset(time.Minute)
			}
			select {
			case <-answer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		r.pass(100 * time.Millisecond)
		began := time.Now()
		r.stop()
		require.LessOrEqual(t, time.Since(began), 500*time.Millisecond)
		require.NotContains(t, q.rows, int64(1), "sent and settled")
		require.Contains(t, q.rows, int64(2))
		require.LessOrEqual(t, time.Until(q.rows[2].due), time.Second, "left to the others")
		require.NotContains(t, r.log.String(), "level=", "a stop is no failure")
	})
}
