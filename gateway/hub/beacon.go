package hub

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// Seat is a subscriber's place in its loop's list. It lives inside the connection, so that a subscription allocates
// nothing. The zero value is not seated. Only the connection's loop touches it.
type Seat struct {
	place int32  // index + 1; 0: none
	seen  uint32 // the number of the last value that the subscriber was told
}

// Subscriber is a connection that may take a seat. F is an encoded frame as the socket shares it.
type Subscriber[F any] interface {
	comparable
	Seat() *Seat
	Loop() int
	// Latest sends the frame in place of an unsent earlier one; false when the connection does not take events yet: then
	// whoever opens it calls CatchUp.
	Latest(frame F) bool
}

// slice bounds how many seats a loop serves before it looks at its sockets again.
const slice = 256

// Beacon is the topic availability. Publish and Current are safe for concurrent use; Join, Leave and CatchUp belong into the
// connection's own loop.
type Beacon[C Subscriber[F], F any] struct {
	// Fixed.
	pace   time.Duration
	encode func(protocol.Availability) F
	post   func(loop int, f func())
	wake   chan struct{} // of capacity 1: something was published

	sent uint32 // Run's: the number of the last value that was broadcast

	loops []seats[C, F] // each touched in its loop alone

	mu     sync.Mutex
	value  protocol.Availability
	number uint32 // grows with each value that tells something new
}

// seats is what one loop has of the topic.
type seats[C Subscriber[F], F any] struct {
	members []C
	frame   F
	number  uint32 // the frame's value
	next    int    // the walk goes downwards: below it nobody was served yet
	again   bool   // a newer frame came during the walk: those already served need it
}

// NewBeacon makes the topic for a number of loops. pace is the least time between two frames to one subscriber, encode turns
// a value into a frame once for everybody, and post runs a function in a loop.
func NewBeacon[C Subscriber[F], F any](loops int, pace time.Duration,
	encode func(protocol.Availability) F, post func(loop int, f func()),
) *Beacon[C, F] {
	return &Beacon[C, F]{
		pace: pace, encode: encode, post: post,
		wake: make(chan struct{}, 1), loops: make([]seats[C, F], loops),
	}
}

// Publish takes a newer value; one with a lower At than the current is dropped. It never blocks. A value with the same
// count makes the current one younger and is not sent.
func (b *Beacon[C, F]) Publish(v protocol.Availability) {
	b.mu.Lock()
	known := b.number != 0
	if known && v.At < b.value.At {
		b.mu.Unlock()
		return
	}
	changed := !known || v.Available != b.value.Available
	b.value = v
	if changed {
		b.number++
	}
	b.mu.Unlock()
	if changed {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// Current is the last value; false before the first one.
func (b *Beacon[C, F]) Current() (protocol.Availability, bool) {
	value, number := b.current()
	return value, number != 0
}

func (b *Beacon[C, F]) current() (protocol.Availability, uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.value, b.number
}

// Run sends what is published until ctx ends.
func (b *Beacon[C, F]) Run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		b.broadcast()
		pause.Reset(b.pace)
	}
}

// broadcast hands the current value to every loop, as one frame that all share.
func (b *Beacon[C, F]) broadcast() {
	value, number := b.current()
	if number == b.sent { // it was taken along by the broadcast before
		return
	}
	b.sent = number
	frame := b.encode(value)
	for loop := range b.loops {
		b.post(loop, func() {
			s := &b.loops[loop]
			s.frame, s.number = frame, number
			if s.next > 0 {
				s.again = true // the walk under way gives the rest the newer frame
				return
			}
			s.next = len(s.members)
			b.walk(loop)
		})
	}
}

// walk serves a slice of the seats, then lets the loop look at its sockets. It goes downwards, because a seat that is given
// up is filled by the last one: so nobody who was not served moves to where the walk has been.
func (b *Beacon[C, F]) walk(loop int) {
	s := &b.loops[loop]
	s.next = min(s.next, len(s.members))
	for n := 0; n < slice && s.next > 0; n++ {
		s.next--
		s.tell(s.members[s.next])
		s.next = min(s.next, len(s.members)) // telling may close a connection that is too slow
	}
	if s.next == 0 && s.again {
		s.again, s.next = false, len(s.members)
	}
	if s.next > 0 {
		b.post(loop, func() { b.walk(loop) })
	}
}

func (s *seats[C, F]) tell(c C) {
	seat := c.Seat()
	if int32(s.number-seat.seen) > 0 && c.Latest(s.frame) {
		seat.seen = s.number
	}
}

// Join seats a subscriber (or leaves it seated) and returns the value of that moment; every later one will be sent to it. False
// when there is no value yet.
func (b *Beacon[C, F]) Join(c C) (protocol.Availability, bool) {
	s, seat := &b.loops[c.Loop()], c.Seat()
	if seat.place == 0 {
		s.members = append(s.members, c)
		seat.place = int32(len(s.members))
	}
	value, number := b.current()
	seat.seen = number
	return value, number != 0
}

// Leave gives the seat up; without one it does nothing.
func (b *Beacon[C, F]) Leave(c C) {
	s, seat := &b.loops[c.Loop()], c.Seat()
	if seat.place == 0 {
		return
	}
	last := len(s.members) - 1
	moved := s.members[last]
	s.members[seat.place-1] = moved
	moved.Seat().place = seat.place
	var none C
	s.members[last] = none
	s.members = s.members[:last]
	*seat = Seat{}
}

// CatchUp sends what the subscriber could not take before it was open for events.
func (b *Beacon[C, F]) CatchUp(c C) {
	if c.Seat().place != 0 {
		b.loops[c.Loop()].tell(c)
	}
}
