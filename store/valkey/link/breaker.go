package link

import "sync/atomic"

// tripAfter is how many failures in a row open the breaker.
const tripAfter = 3

// breaker spares callers the wait for a Valkey that does not answer.
type breaker struct {
	failures atomic.Int32 // in a row; tripAfter and above: open
}

func (b *breaker) closed() bool { return b.failures.Load() < tripAfter }

// failed notes a failure and tells whether it opened the breaker.
func (b *breaker) failed() bool {
	n := b.failures.Add(1)
	if n > tripAfter {
		b.failures.CompareAndSwap(n, tripAfter)
	}
	return n == tripAfter
}

func (b *breaker) succeeded() {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

func (b *breaker) open() { b.failures.Store(tripAfter) }
