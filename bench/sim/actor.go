package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/protocol"
)

// part is what a mitra or a customer makes of its socket. Its methods run in the actor's goroutine.
type part interface {
	// welcomed begins a connection, the first or another one.
	welcomed(w *protocol.Welcome)
	// event is any frame of the gateway but welcome, answers and what concerns the connection.
	event(m protocol.Message, at time.Time)
}

// actor is the half of a client that mitras and customers have in common: it stays connected, beats, and matches answers.
type actor struct {
	// Fixed.
	world  *world
	part   part
	name   string
	role   protocol.Role
	number int
	orders chan func()
	ready  chan struct{} // closed when the client is where the load can begin
	left   chan struct{} // closed when run has returned

	dice *dice // run's

	trouble atomic.Pointer[string] // what went wrong with the connection last

	// Owned by run.
	account   client.Account
	socket    *client.Socket // nil: not connected
	seen      *oracle.Socket // what crosses it
	welcome   bool           // the socket's welcome has come
	dialed    time.Time
	lastID    uint32
	pending   []*request // sent, in that order
	parked    []*request // to be sent after the next welcome
	agenda    []todo
	beating   bool
	lastBeat  time.Time // when a heartbeat was answered last
	isReady   bool
	climbing  bool // holds a token of the gate
	leaving   bool
	reconnect time.Time // from draining or an error: when to come back
}

// request is a frame with an id.
type request struct {
	message protocol.Message
	id      uint32
	sent    time.Time
	late    bool // counted as unanswered
	then    func(answer)
}

// answer is an ack or an error.
type answer struct {
	ack  *protocol.Ack
	err  *protocol.Error
	sent time.Time
	at   time.Time
}

// noAnswer is the code that a request gets which was not answered in time.
const noAnswer protocol.ErrorCode = "NO_ANSWER"

// todo is something to do later.
type todo struct {
	at time.Time
	do func()
}

// inbound is a frame that came in, or the end of the connection.
type inbound struct {
	id      uint32
	message protocol.Message // nil: of an unknown kind
	at      time.Time
	err     error
}

func newActor(w *world, role protocol.Role, number int, account client.Account) actor {
	return actor{
		world: w, name: fmt.Sprintf("%s %s", role, account.ID), role: role, number: number, account: account,
		dice:   newDice(w.opts.Seed, role, number),
		orders: make(chan func(), 8), ready: make(chan struct{}), left: make(chan struct{}),
	}
}

// order has the actor's goroutine run f; nothing happens when the actor is gone.
func (a *actor) order(f func()) {
	select {
	case a.orders <- f:
	case <-a.left:
	}
}

// wait waits until the actor is gone; false: limit came first.
func (a *actor) wait(limit <-chan time.Time) bool {
	select {
	case <-a.left:
		return true
	case <-limit:
		return false
	}
}

// lastTrouble is what went wrong last, for the one line that a start that fails prints.
func (a *actor) lastTrouble() string {
	if text := a.trouble.Load(); text != nil {
		return *text
	}
	return a.name + " was not told anything"
}

func (a *actor) noteTrouble(err error) {
	text := fmt.Sprintf("%s: %v", a.name, err)
	a.trouble.Store(&text)
}

// becomeReady tells the run that this client is where the load can begin.
func (a *actor) becomeReady() {
	if !a.isReady {
		a.isReady = true
		close(a.ready)
		a.pass()
	}
}

// climb waits until this client may come up; pass lets the next one.
func (a *actor) climb(ctx context.Context) {
	if a.isReady || a.climbing {
		return
	}
	select {
	case a.world.gate <- struct{}{}:
		a.climbing = true
	case <-ctx.Done():
	}
}

func (a *actor) pass() {
	if a.climbing {
		a.climbing = false
		<-a.world.gate
	}
}

// breach notes a broken invariant, with what is known of this client.
func (a *actor) breach(i Invariant, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	for _, line := range a.world.record.History(a.account.ID) {
		detail += "\n    " + line
	}
	a.world.ledger.breach(i, "%s", detail)
}

// run stays connected until the actor leaves, is told to stop, or ctx ends.
func (a *actor) run(ctx context.Context) {
	defer close(a.left)
	defer a.pass()
	for failures := 0; ctx.Err() == nil && !a.leaving; {
		a.climb(ctx)
		err := a.connect(ctx, failures)
		if err == nil {
			err = a.serve(ctx)
			if a.welcome {
				failures = 0
			}
		}
		if ctx.Err() != nil || a.leaving {
			return
		}
		a.noteTrouble(err)
		delay, again := a.judge(ctx, err, failures)
		if !again {
			return
		}
		failures++
		a.world.meters.reconnects.Add(1)
		pause(ctx, delay)
	}
}

// pause waits; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// serve is the life of one connection. The error says how it ended.
func (a *actor) serve(ctx context.Context) (err error) {
	a.seen = a.world.record.Open(a.account.ID, a.role)
	defer func() { a.seen.Closed(err) }()
	inbox := make(chan inbound, 4)
	go receive(a.socket, inbox)
	a.world.meters.sockets.Add(1)
	defer func() {
		a.socket.Cut()
		for range inbox { // until receive has returned
		}
		a.world.meters.sockets.Add(-1)
		a.socket = nil
		a.park()
	}()
	late := time.NewTicker(a.world.opts.AnswerTimeout / 4)
	defer late.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(a.untilNext())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case in := <-inbox:
			if in.err != nil {
				return in.err
			}
			a.take(in)
		case f := <-a.orders:
			f()
		case <-timer.C:
			a.runDue()
		case <-late.C:
			a.findLate()
		}
	}
}

// take handles one frame.
func (a *actor) take(in inbound) {
	a.seen.Received(in.id, in.message)
	switch m := in.message.(type) {
	case nil:
	case *protocol.Welcome:
		a.welcomed(m, in.at)
	case *protocol.Ack:
		a.answered(in.id, answer{ack: m, at: in.at})
	case *protocol.Error:
		if in.id != 0 {
			a.answered(in.id, answer{err: m, at: in.at})
			return
		}
		a.noteTrouble(errors.New(string(m.Code) + " " + m.Message))
		if m.RetryAfterMS > 0 {
			a.reconnect = in.at.Add(time.Duration(m.RetryAfterMS) * time.Millisecond)
		}
	case *protocol.Draining:
		a.reconnect = in.at.Add(time.Duration(m.ReconnectAfterMS) * time.Millisecond)
	case *protocol.AuthExpiring:
		a.refresh()
	default:
		a.part.event(m, in.at)
	}
}

func (a *actor) welcomed(w *protocol.Welcome, at time.Time) {
	a.welcome = true
	a.world.meters.connect.add(at.Sub(a.dialed))
	if !a.beating {
		a.beating = true
		every := time.Duration(max(w.HeartbeatSeconds, 1)) * time.Second
		a.in(a.dice.upTo(every), func() { a.beat(every) })
	}
	a.part.welcomed(w)
	parked := a.parked
	a.parked = nil
	for _, r := range parked {
		a.transmit(r)
	}
}

// leave says goodbye; run returns when the gateway has answered.
func (a *actor) leave() {
	a.leaving = true
	if a.socket != nil {
		a.socket.Leave(protocol.CloseNormal)
	}
}

// in has the actor do something later.
func (a *actor) in(d time.Duration, do func()) {
	a.agenda = append(a.agenda, todo{time.Now().Add(d), do})
}

// untilNext is how long nothing is due.
func (a *actor) untilNext() time.Duration {
	next := time.Hour
	for _, t := range a.agenda {
		next = min(next, time.Until(t.at))
	}
	return max(next, 0)
}

func (a *actor) runDue() {
	now := time.Now()
	var due []todo
	a.agenda = slices.DeleteFunc(a.agenda, func(t todo) bool {
		if t.at.After(now) {
			return false
		}
		due = append(due, t)
		return true
	})
	for _, t := range due {
		t.do()
	}
}
