package push_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core/push"
)

// queue keeps pushes as the store does, on the bubble's clock, and lets tests take the store away. Tests touch it while Run
// sleeps; the lock hands over what they did (rig.pass).
type queue struct {
	mu sync.Mutex

	offers  []time.Time // when each is due
	rows    map[int64]*row
	dead    []string
	down    bool // nothing answers
	cut     bool // what is settled gets lost
	claims  int
	settles int
	taken   int
}

type row struct {
	push push.Push
	due  time.Time
}

var errDown = errors.New("the store is down")

func newQueue(kinds ...push.Kind) *queue {
	q := &queue{rows: map[int64]*row{}}
	for _, kind := range kinds {
		q.add(kind, time.Hour)
	}
	return q
}

// publish lets Run see what the test wrote.
func (q *queue) publish() {
	q.mu.Lock()
	defer q.mu.Unlock()
}

func (q *queue) add(kind push.Kind, life time.Duration) int64 {
	id := int64(len(q.rows)) + 1
	q.rows[id] = &row{due: time.Now(), push: push.Push{
		ID: id, Kind: kind, Token: string(rune('a' + id - 1)), Platform: push.Android, ExpiresAt: time.Now().Add(life),
	}}
	return id
}

func (q *queue) TakeOffers(_ context.Context, limit int) (taken int, wait time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return 0, 0, errDown
	}
	slices.SortFunc(q.offers, time.Time.Compare)
	for len(q.offers) > 0 && !q.offers[0].After(time.Now()) && taken < limit {
		q.offers = q.offers[1:]
		q.add(push.Offer, 13*time.Second)
		taken++
	}
	q.taken += taken
	if len(q.offers) > 0 {
		wait = max(time.Until(q.offers[0]), 0)
	}
	return taken, wait, nil
}

func (q *queue) Claim(_ context.Context, limit int, hold time.Duration) (claimed []push.Push, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return nil, errDown
	}
	q.claims++
	for id, r := range q.rows {
		switch now := time.Now(); {
		case !r.push.ExpiresAt.After(now):
			delete(q.rows, id)
		case !r.due.After(now) && len(claimed) < limit:
			r.due = now.Add(hold)
			r.push.Attempt++
			r.push.Left = time.Until(r.push.ExpiresAt)
			claimed = append(claimed, r.push)
		}
	}
	return claimed, nil
}

func (q *queue) Settle(_ context.Context, o push.Outcome) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down || q.cut {
		return errDown
	}
	q.settles++
	for _, id := range o.Done {
		delete(q.rows, id)
	}
	for _, l := range o.Later {
		q.rows[l.ID].due = time.Now().Add(l.After)
	}
	q.dead = append(q.dead, o.Dead...)
	return nil
}

// attempt is one call of a vendor.
type attempt struct {
	message push.Message
	after   time.Duration // since the test began
}

// vendor records what it is sent and answers what the test says.
type vendor struct {
	began    time.Time
	attempts chan attempt
	answer   func(ctx context.Context, m push.Message) error
}

func newVendor(answer func(ctx context.Context, m push.Message) error) *vendor {
	return &vendor{began: time.Now(), attempts: make(chan attempt, 1000), answer: answer}
}

func takesAll(context.Context, push.Message) error { return nil }

func (v *vendor) Send(ctx context.Context, m push.Message) error {
	v.attempts <- attempt{m, time.Since(v.began)}
	return v.answer(ctx, m)
}

// times are when the attempts so far were made.
func (v *vendor) times() (all []time.Duration) {
	for range len(v.attempts) {
		all = append(all, (<-v.attempts).after)
	}
	return all
}
