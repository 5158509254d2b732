package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// Invariant is what must hold whatever happens.
type Invariant string

// The invariants.
const (
	OneWinner    Invariant = "one winner a session"
	Capacity     Invariant = "no mitra over its capacity"
	OnlineOnly   Invariant = "no offer to a mitra that is offline"
	VersionGrows Invariant = "a session's version only grows"
	Answered     Invariant = "every request answered"
	InOrder      Invariant = "answers in the order of the requests"
	SocketsStay  Invariant = "no socket closed but as foreseen"
	BeatsCount   Invariant = "no mitra taken offline while it beats"
	StateAgrees  Invariant = "the gateways' state is what happened"
	MoneyHidden  Invariant = "mitras see no money"
	PaidIsKept   Invariant = "what was paid is kept"
)

// Invariants lists them in the order of the report.
var Invariants = []Invariant{
	OneWinner, Capacity, OnlineOnly, VersionGrows, Answered, InOrder, SocketsStay, BeatsCount, StateAgrees, MoneyHidden, PaidIsKept,
}

// Breach is a broken invariant.
type Breach struct {
	Invariant Invariant
	Detail    string // with the ids
}

// breachesKept is how many breaches of one invariant are told; more are counted.
const breachesKept = 20

// historiesKept is how many of them keep what follows their first line.
const historiesKept = 2

// ledger puts together what all clients saw of each session. Safe for any number of goroutines.
type ledger struct {
	mu       sync.Mutex
	sessions map[protocol.UUID]*record
	held     map[protocol.UUID][]*record // by mitra: accepted, and nobody asked for an end yet
	count    map[Invariant]int
	list     []Breach
}

// record is a session.
type record struct {
	id        protocol.UUID
	due       time.Time // when it was to be asked for; zero: not known yet
	offered   time.Time // first offer to any mitra
	winners   []winner
	views     []winner // the mitra that its customer was shown
	statuses  []status
	told      time.Time // when the customer first held it with a mitra
	toldMitra protocol.UUID
	toldDone  bool
	ending    bool // somebody asked for its end, or it is over
}

// winner is a mitra whose accept was acknowledged, and the version that the session had then.
type winner struct {
	mitra   protocol.UUID
	version int64
	asked   time.Time
}

// status is what a session was at a version.
type status struct {
	version int64
	status  protocol.SessionStatus
}

func newLedger() *ledger {
	return &ledger{
		sessions: make(map[protocol.UUID]*record),
		held:     make(map[protocol.UUID][]*record),
		count:    make(map[Invariant]int),
	}
}

// breach notes a broken invariant.
func (l *ledger) breach(i Invariant, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breachLocked(i, format, args...)
}

func (l *ledger) breachLocked(i Invariant, format string, args ...any) {
	l.count[i]++
	if l.count[i] > breachesKept {
		return
	}
	detail := fmt.Sprintf(format, args...)
	if l.count[i] > historiesKept {
		detail, _, _ = strings.Cut(detail, "\n")
	}
	l.list = append(l.list, Breach{i, detail})
}

// broken lists what was broken, and counts it.
func (l *ledger) broken() ([]Breach, map[Invariant]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list), l.count
}

// recordLocked finds a session, or begins it: clients may hear of it in any order.
func (l *ledger) recordLocked(id protocol.UUID) *record {
	r, ok := l.sessions[id]
	if !ok {
		r = &record{id: id}
		l.sessions[id] = r
	}
	return r
}

// requested notes that a session is one of ours, due at that time. The time to its first offer is given when that is known already.
func (l *ledger) requested(id protocol.UUID, due time.Time) (toOffer time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recordLocked(id)
	first := r.due.IsZero()
	r.due = due
	if first && !r.offered.IsZero() {
		return r.offered.Sub(due), true
	}
	return 0, false
}

// offer notes an offer; for the first of a session whose request is known it gives the time from there.
func (l *ledger) offer(id protocol.UUID, at time.Time) (sinceDue time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recordLocked(id)
	if !r.offered.IsZero() {
		return 0, false
	}
	r.offered = at
	if r.due.IsZero() {
		return 0, false
	}
	return at.Sub(r.due), true
}

// accepted notes an acknowledged accept. ok: the customer was told already, so long after the mitra asked.
func (l *ledger) accepted(s *protocol.Session, mitra protocol.UUID, asked time.Time, capacity int) (took time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recordLocked(s.SessionID)
	if slices.ContainsFunc(r.winners, func(w winner) bool { return w.mitra == mitra }) {
		return 0, false // it asked twice
	}
	r.winners = append(r.winners, winner{mitra, s.Version, asked})
	if !r.ending {
		l.held[mitra] = append(l.held[mitra], r)
	}
	if held := l.held[mitra]; len(held) > capacity {
		l.breachLocked(Capacity, "mitra %s may hold %d and holds %s", mitra, capacity, names(held))
	}
	return r.toldLocked()
}

// told notes that the customer holds the session with that mitra.
func (l *ledger) told(id, mitra protocol.UUID, at time.Time) (took time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recordLocked(id)
	if r.told.IsZero() {
		r.told, r.toldMitra = at, mitra
	}
	return r.toldLocked()
}

// toldLocked gives the time from accept to told once, when both are known.
func (r *record) toldLocked() (time.Duration, bool) {
	if r.toldDone || r.told.IsZero() {
		return 0, false
	}
	for _, w := range r.winners {
		if w.mitra == r.toldMitra {
			r.toldDone = true
			return r.told.Sub(w.asked), true
		}
	}
	return 0, false
}

// ending notes that somebody is about to ask for the session's end: from now on it may be over at any time.
func (l *ledger) ending(id protocol.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(l.recordLocked(id))
}

// holds notes what a mitra is told to hold, all of it: what else it held went away while it was not connected, to another mitra when
// it was gone for too long.
func (l *ledger) holds(mitra protocol.UUID, sessions []protocol.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[mitra] = slices.DeleteFunc(l.held[mitra], func(r *record) bool {
		return !slices.ContainsFunc(sessions, func(s protocol.Session) bool { return s.SessionID == r.id })
	})
}

func (l *ledger) releaseLocked(r *record) {
	r.ending = true
	for _, w := range r.winners {
		l.held[w.mitra] = slices.DeleteFunc(l.held[w.mitra], func(other *record) bool { return other == r })
	}
}

// observe notes what a client was shown of a session.
func (l *ledger) observe(who string, s *protocol.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recordLocked(s.SessionID)
	if s.Status.Terminal() {
		l.releaseLocked(r)
	}
	if s.Mitra != nil {
		view := winner{mitra: s.Mitra.MitraID, version: s.Version}
		if !slices.Contains(r.views, view) {
			r.views = append(r.views, view)
		}
	}
	for _, known := range r.statuses {
		switch {
		case known.version == s.Version && known.status == s.Status:
			return
		case known.version == s.Version,
			known.version < s.Version && known.status.Terminal(),
			known.version > s.Version && s.Status.Terminal():
			l.breachLocked(VersionGrows, "session %s was %s at version %d and is %s at version %d, says %s",
				s.SessionID, known.status, known.version, s.Status, s.Version, who)
			return
		}
	}
	r.statuses = append(r.statuses, status{s.Version, s.Status})
}

// ours tells whether the session was asked for in this run.
func (l *ledger) ours(id protocol.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.sessions[id]
	return ok && !r.due.IsZero()
}

// over tells whether any client was shown the session's end.
func (l *ledger) over(id protocol.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.sessions[id]
	return ok && slices.ContainsFunc(r.statuses, func(s status) bool { return s.status.Terminal() })
}

// close judges what can only be judged when all is known: who won each session.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.sessions {
		slices.SortFunc(r.winners, func(a, b winner) int { return cmp.Compare(a.version, b.version) })
		for i := 1; i < len(r.winners); i++ {
			if first, second := r.winners[i-1], r.winners[i]; !r.searchedBetween(first.version, second.version) {
				l.breachLocked(OneWinner, "session %s was won by mitra %s (version %d) and by mitra %s (version %d)",
					r.id, first.mitra, first.version, second.mitra, second.version)
			}
		}
		for _, view := range r.views {
			for _, w := range r.winners {
				if view.version == w.version && view.mitra != w.mitra {
					l.breachLocked(OneWinner, "session %s, version %d: its customer was shown mitra %s, and mitra %s won it",
						r.id, w.version, view.mitra, w.mitra)
				}
			}
		}
	}
}

// searchedBetween tells whether the session was looking for another mitra in between.
func (r *record) searchedBetween(from, to int64) bool {
	return slices.ContainsFunc(r.statuses, func(s status) bool {
		return s.status == protocol.StatusSearching && s.version > from && s.version < to
	})
}

func names(records []*record) string {
	text := ""
	for _, r := range records {
		text += " " + r.id.String()
	}
	return "sessions" + text
}
