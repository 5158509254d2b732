package epoll

import (
	"context"
	"sync"
	"time"
)

// Handler is what a loop runs. All calls come from the loop's goroutine.
type Handler interface {
	// Ready says what the descriptor of a key may be ready for.
	Ready(key int32, events Events)
	// Due says that a key's entry in the wheel has come round; at is the tick that Schedule returned for it.
	Due(key int32, at Tick)
	// Patience is asked at the end of each turn: how long may wait what comes next?
	Patience() Patience
}

// Patience is how urgent it is to look again.
type Patience uint8

const (
	Urgent    Patience = iota // somebody will be back in a moment
	WhileFew                  // answers are waited for: events may gather while they are few
	AtAnyPace                 // nobody waits for anything
)

// patience is how long a dedicated loop keeps its processor in one wait, and fruitless how many such waits on end may bring nothing
// before it gives it up. To give it up and to take it again is dear: the scheduler's monitor then looks every 20 µs for a while
// whether there is more of that, which was 30 % of all that 1,000 heartbeats a second cost (4 % with 20 waits instead of 1).
const (
	patience  = 5 * time.Millisecond
	fruitless = 20
)

// Loop is one goroutine that waits for descriptors, for its wheel and for its mailbox.
type Loop struct {
	poller    *Poller // safe for Add, Modify and Remove from any goroutine
	start     time.Time
	dedicated bool

	// The loop's own.
	wheel Wheel
	now   Tick
	quiet int // how many waits on end brought nothing
	pace  pace
	spare []func()

	mu     sync.Mutex
	mail   []func()
	asleep bool // in Wait, or about to be: mail must wake it
	ended  bool // no more mail; the poller's descriptors may be somebody else's
}

// NewLoop makes a loop. A dedicated one keeps its processor while it waits for more, for up to 100 ms after it had something to do:
// with a blocking wait, the scheduler takes the processor away and gives it back at every wake-up, which doubles the cost of a
// small message. And it naps where events may gather: see pace. It takes a GOMAXPROCS above the number of cores by the number of loops, or everything else waits for it.
func NewLoop(dedicated bool) (*Loop, error) {
	poller, err := NewPoller()
	if err != nil {
		return nil, err
	}
	return &Loop{poller: poller, start: time.Now(), dedicated: dedicated}, nil
}

// Poller is the loop's poller: for Add, Modify and Remove, before the end of Run.
func (l *Loop) Poller() *Poller { return l.poller }

// Run turns until ctx ends. Then it takes no more mail, runs what is there, runs last, and closes the poller.
func (l *Loop) Run(ctx context.Context, h Handler, last func()) error {
	defer l.end(last)
	defer context.AfterFunc(ctx, func() { l.Post(func() {}) })()
	for ctx.Err() == nil {
		events, err := l.wait()
		if err != nil {
			return err
		}
		now := time.Now()
		l.now = l.Clock(now)
		for _, event := range events {
			h.Ready(event.Key, event.Events)
		}
		l.wheel.Advance(l.now, h.Due)
		l.runMail()
		patience := h.Patience()
		if l.dedicated && l.pace.mayNap(now, len(events), patience) && !l.hasMail() {
			nap()
		}
	}
	return nil
}

func (l *Loop) wait() ([]Event, error) {
	l.mu.Lock()
	l.asleep = len(l.mail) == 0
	timeout := time.Duration(0)
	if l.asleep {
		timeout = l.untilNext()
	}
	l.mu.Unlock()
	keep := l.dedicated && l.quiet < fruitless
	if keep && (timeout < 0 || timeout > patience) {
		timeout = patience
	}
	events, err := l.poller.Wait(timeout, keep)
	if l.quiet++; len(events) > 0 {
		l.quiet = 0
	}
	return events, err
}

// untilNext is how long there is nothing in the wheel; negative for ever.
func (l *Loop) untilNext() time.Duration {
	next, ok := l.wheel.Next()
	if !ok {
		return -1
	}
	return max(0, time.Until(l.start.Add(time.Duration(next)*TickLength)))
}

// runMail runs what was posted before this turn's end. What it posts itself comes in the next turn, after another look at
// the descriptors.
func (l *Loop) runMail() {
	l.mu.Lock()
	l.asleep = false
	mail := l.mail
	l.mail = l.spare
	l.mu.Unlock()
	for _, f := range mail {
		f()
	}
	clear(mail)
	l.spare = mail[:0]
}

func (l *Loop) hasMail() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.mail) > 0
}

// Post runs f in the loop at the end of a turn, soon; from any goroutine, without blocking. Once Run is ending it does nothing and
// returns false: what it accepted is run.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.mail = append(l.mail, f)
	if l.asleep {
		l.asleep = false
		l.poller.Wake()
	}
	return true
}

// Schedule puts a key into the wheel: see Wheel.Schedule. Only from within the loop.
func (l *Loop) Schedule(key int32, at Tick) Tick { return l.wheel.Schedule(key, at) }

// Now is the tick of the current turn. Only from within the loop.
func (l *Loop) Now() Tick { return l.now }

// Clock is the last tick that has begun at a time; from any goroutine.
func (l *Loop) Clock(t time.Time) Tick {
	return Tick(max(0, t.Sub(l.start)) / TickLength)
}

func (l *Loop) end(last func()) {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.runMail()
	last()
	l.poller.Close()
}

func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((d + time.Millisecond - 1) / time.Millisecond) // rounded up, so that nothing is woken early to find nothing due
}
