package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// batcher gathers calls that come within a window of the first one and answers them with one statement. A storm of
// reconnecting sockets thereby costs Postgres one call a window and not one a socket; and since its statements then compete with
// the storm for processors, the window after a batch of a crowd is four times as long.
type batcher[K, V any] struct {
	window time.Duration
	limit  int // a batch of so many starts at once
	// answer is called with at most limit keys, in a goroutine of the batcher, and gives one value a key, in their order.
	answer func(ctx context.Context, keys []K) ([]V, error)

	mu        sync.Mutex
	gathering *batch[K, V]
	crowded   bool // the last batch was a crowd's
	running   sync.WaitGroup
}

// crowd is how many calls in one window are a crowd.
const crowd = 8

type batch[K, V any] struct {
	keys   []K
	start  *time.Timer
	done   chan struct{} // closed when values and err are set
	values []V
	err    error
}

func newBatcher[K, V any](window time.Duration, answer func(context.Context, []K) ([]V, error)) *batcher[K, V] {
	return &batcher[K, V]{window: window, limit: 500, answer: answer}
}

// do asks for one key. The end of ctx ends this caller's wait (UNAVAILABLE) and nobody else's; the batch goes on.
func (b *batcher[K, V]) do(ctx context.Context, key K) (V, error) {
	mine, place := b.join(key)
	select {
	case <-mine.done:
		if mine.err != nil {
			var none V
			return none, mine.err
		}
		return mine.values[place], nil
	case <-ctx.Done():
		var none V
		return none, core.Wrap(core.Unavailable, context.Cause(ctx))
	}
}

func (b *batcher[K, V]) join(key K) (mine *batch[K, V], place int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mine = b.gathering
	if mine == nil {
		mine = &batch[K, V]{done: make(chan struct{})}
		b.gathering = mine
		b.running.Add(1)
		window := b.window
		if b.crowded {
			window *= 4
		}
		mine.start = time.AfterFunc(window, func() { b.run(mine) })
	}
	place = len(mine.keys)
	mine.keys = append(mine.keys, key)
	if len(mine.keys) >= b.limit {
		b.endLocked(mine)
		if mine.start.Stop() { // else it has fired, and run waits for the lock that we hold
			go b.run(mine)
		}
	}
	return mine, place
}

func (b *batcher[K, V]) run(mine *batch[K, V]) {
	b.mu.Lock()
	if b.gathering == mine {
		b.endLocked(mine)
	}
	b.mu.Unlock()

	defer b.running.Done()
	defer close(mine.done)
	mine.values, mine.err = b.answer(context.Background(), mine.keys) // bounded by the call inside
}

// endLocked lets the next call begin a batch of its own.
func (b *batcher[K, V]) endLocked(full *batch[K, V]) {
	b.gathering = nil
	b.crowded = len(full.keys) >= crowd
}

// wait returns when no batch is under way. Nobody may call do any more.
func (b *batcher[K, V]) wait() { b.running.Wait() }
