package valkey

import "sync/atomic"

// Stats counts since the start.
type Stats struct {
	Calls          uint64 // round trips tried
	Failures       uint64 // of them, those that Valkey did not answer in time
	BreakerOpened  uint64
	Subscriptions  uint64 // more than one: the bus was lost on the way
	Unreadable     uint64 // messages of the bus that are no JSON of ours
	UnknownVersion uint64 // events of another version, dropped
}

type counters struct {
	calls, failures, opened, unreadable, unknownVersion atomic.Uint64
}

// Stats reads the counters.
func (c *Client) Stats() Stats {
	return Stats{
		Calls:          c.counters.calls.Load(),
		Failures:       c.counters.failures.Load(),
		BreakerOpened:  c.counters.opened.Load(),
		Subscriptions:  c.subscriptions.Load(),
		Unreadable:     c.counters.unreadable.Load(),
		UnknownVersion: c.counters.unknownVersion.Load(),
	}
}
