package sim

import (
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// Every request of the simulator may be repeated safely: what a lost connection left unanswered is asked again on the next.

// ask sends a request; then, if any, gets its answer. Without a connection it waits for the next one.
func (a *actor) ask(m protocol.Message, then func(answer)) {
	r := &request{message: m, then: then}
	if a.socket == nil || !a.welcome {
		a.parked = append(a.parked, r)
		return
	}
	a.transmit(r)
}

// tell sends a frame that wants no answer; without a connection it is forgotten.
func (a *actor) tell(m protocol.Message) {
	if a.socket != nil && a.welcome {
		_ = a.socket.Send(m.Append(nil, 0)) // the reader tells that the connection is gone
	}
}

func (a *actor) transmit(r *request) {
	a.lastID++
	r.id, r.sent = a.lastID, time.Now()
	a.pending = append(a.pending, r)
	a.world.meters.requests.Add(1)
	a.seen.Sent(r.id, r.message)
	_ = a.socket.Send(r.message.Append(nil, r.id)) // the reader tells that the connection is gone
}

// park keeps what was not answered for the next connection, but for what belongs to the one that is gone.
func (a *actor) park() {
	for _, r := range a.pending {
		switch r.message.Kind() {
		case protocol.KindHeartbeat, protocol.KindAvailabilitySubscribe, protocol.KindStateGet, protocol.KindAuthRefresh:
		default:
			if !r.late {
				a.parked = append(a.parked, r)
			}
		}
	}
	a.pending = nil
}

// overtakes tells whether the answer to a kind may come before older ones.
func overtakes(k protocol.Kind) bool {
	switch k {
	case protocol.KindHeartbeat, protocol.KindAuthRefresh, protocol.KindAvailabilitySubscribe, protocol.KindAvailabilityUnsubscribe:
		return true
	default:
		return false
	}
}

// answered matches an answer with its request.
func (a *actor) answered(id uint32, got answer) {
	i := slices.IndexFunc(a.pending, func(r *request) bool { return r.id == id })
	if i < 0 {
		a.breach(InOrder, "%s: an answer to request %d, which was answered or never sent", a.name, id)
		return
	}
	r := a.pending[i]
	for _, older := range a.pending[:i] {
		if !older.late && !overtakes(older.message.Kind()) && !overtakes(r.message.Kind()) {
			a.breach(InOrder, "%s: %s %d was answered before %s %d",
				a.name, r.message.Kind(), r.id, older.message.Kind(), older.id)
			break
		}
	}
	a.pending = slices.Delete(a.pending, i, i+1)
	if r.message.Kind() != protocol.KindHeartbeat {
		a.world.meters.answer.add(got.at.Sub(r.sent))
	}
	if got.err != nil {
		a.world.meters.failed(r.message.Kind(), got.err.Code)
	}
	if r.then != nil && !r.late {
		got.sent = r.sent
		r.then(got)
	}
}

// findLate counts requests that were not answered in time, and goes on without their answers.
func (a *actor) findLate() {
	for _, r := range slices.Clone(a.pending) {
		if r.late || time.Since(r.sent) < a.world.opts.AnswerTimeout {
			continue
		}
		r.late = true
		a.breach(Answered, "%s: %s %d, %v ago", a.name, r.message.Kind(), r.id, time.Since(r.sent).Round(time.Millisecond))
		if r.then != nil {
			r.then(answer{err: &protocol.Error{Code: noAnswer}, sent: r.sent, at: time.Now()})
		}
	}
}

// failed counts an error: those that belong to the game apart from all others.
func (m *meters) failed(k protocol.Kind, code protocol.ErrorCode) {
	switch code {
	case protocol.CodeOfferTaken, protocol.CodeOfferExpired, protocol.CodeOfferCancelled, protocol.CodeAtCapacity, protocol.CodeNotOnline,
		protocol.CodeExtensionPending:
		m.answers.add(code)
		return
	case protocol.CodeWrongState:
		if k == protocol.KindPairingCancel || k == protocol.KindSessionEnd || k == protocol.KindSessionExtend || k == protocol.KindSessionReroute {
			m.answers.add(code)
			return
		}
	case protocol.CodeNotFound:
		if k == protocol.KindSessionReroute || k == protocol.KindSessionEnd { // it went to another mitra
			m.answers.add(code)
			return
		}
	}
	m.errors.add(code)
}
