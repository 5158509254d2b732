package epoll

import "time"

// Tick counts time in steps of TickLength since its loop was made. It lasts 13 years.
type Tick uint32

// TickLength is how fine the wheel is: deadlines are noticed up to one tick late, never early.
const TickLength = 100 * time.Millisecond

// TicksIn is how many ticks a duration takes, rounded up.
func TicksIn(d time.Duration) Tick {
	return Tick((d + TickLength - 1) / TickLength)
}

// spokes is how far ahead the wheel sees: 51 s, enough for the idle time-out. What is due later is looked at in between.
const spokes = 512

// Wheel remembers when to look at which key. The deadlines themselves stay with the owner of the keys, who looks, and
// schedules again if it is not time yet: so a deadline that moves on with every message costs nothing until its key comes
// round. An entry cannot be removed; the owner remembers the tick of its valid one (what Schedule returned) and passes over
// others. A Wheel belongs to one goroutine.
type Wheel struct {
	slots [spokes][]int32
	now   Tick // all slots up to here were given out
	next  Tick // the earliest entry, if there are any
	count int
}

// Schedule has key looked at at the tick, or earlier if that is too far ahead, and at the next tick if it is past.
// It returns the tick that it will be.
func (w *Wheel) Schedule(key int32, at Tick) Tick {
	at = min(max(at, w.now+1), w.now+spokes-1)
	slot := &w.slots[at%spokes]
	*slot = append(*slot, key)
	if w.count++; w.count == 1 || at < w.next {
		w.next = at
	}
	return at
}

// Advance moves to a tick and calls due for every entry on the way, with the tick that it was scheduled for. due may
// Schedule.
func (w *Wheel) Advance(to Tick, due func(key int32, at Tick)) {
	for w.count > 0 && w.next <= to {
		w.now = w.next
		slot := &w.slots[w.now%spokes]
		keys := *slot
		*slot = nil // a full slot of a storm is not kept for ever
		w.count -= len(keys)
		at := w.now
		w.seek()
		for _, key := range keys {
			due(key, at)
		}
	}
	w.now = max(w.now, to)
}

// seek finds the earliest entry after now.
func (w *Wheel) seek() {
	if w.count == 0 {
		return
	}
	for w.next = w.now + 1; len(w.slots[w.next%spokes]) == 0; w.next++ {
	}
}

// Next is the tick of the earliest entry; false if there are none.
func (w *Wheel) Next() (Tick, bool) { return w.next, w.count > 0 }
