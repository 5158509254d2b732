package epoll

import "time"

// napLength is how long a dedicated loop sleeps at the end of a turn so that events gather and share a wake-up.
const napLength = 5 * time.Millisecond

// few is how many events in the time of a nap are worth it even if somebody waits for their answers. A message that is woken for alone
// costs three times what one of many does: 1,000 heartbeats with acks a second take a fifth less with naps, for 2.6 ms of latency. At
// ten times the rate events meet by themselves, and the latency is no longer worth it, unless nobody is answered: heartbeats
// without acks take half.
const few = 8

// pace decides about naps by what came lately: whatever comes after a quiet time is served at once.
type pace struct {
	since  time.Time // of events
	events int
	meet   bool // in the time of a nap there was more than one
	many   bool // there were more than a few
}

// mayNap notes a turn and tells whether to nap behind it.
func (p *pace) mayNap(now time.Time, events int, patience Patience) bool {
	p.events += events
	if past := now.Sub(p.since); past >= napLength {
		inNaps := time.Duration(p.events) * napLength
		p.meet, p.many = inNaps > past, inNaps > few*past
		p.since, p.events = now, 0
	}
	switch {
	case events == 0: // an interrupted wait tells nothing of who waits
		return false
	case patience == WhileFew:
		return p.meet && !p.many
	default:
		return p.meet && patience == AtAnyPace
	}
}
