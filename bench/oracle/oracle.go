package oracle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// Rule is what must hold.
type Rule string

// The rules.
const (
	Kept     Rule = "what was acknowledged is kept"
	Winner   Rule = "one winner a session, in the rows"
	Room     Rule = "nobody over capacity, in the rows"
	Asked    Rule = "offers only to the online and active"
	Beating  Rule = "nobody who beats is taken offline"
	Mirrored Rule = "the mirror is what Postgres says"
	Present  Rule = "the mirror's sockets are the open ones"
	Counted  Rule = "counted are the open sockets of available mitras"
	Shown    Rule = "customers see that count"
	Told     Rule = "a socket's last update is the row"
	Level    Rule = "every rupiah is accounted for"
	Readable Rule = "the stores can be read"
)

// Rules lists them in the order in which reports show them.
var Rules = []Rule{Kept, Winner, Room, Asked, Beating, Mirrored, Present, Counted, Shown, Told, Level, Readable}

// Breach is a rule that does not hold.
type Breach struct {
	Rule   Rule
	Detail string // with the ids, and their history
}

func (b Breach) String() string { return string(b.Rule) + ": " + b.Detail }

// Oracle judges one run.
type Oracle struct {
	record *Record
	stores Stores
	// Alone says that nobody else uses the gateways: then a mitra whom no client of the run holds must not be counted.
	Alone bool
}

// New makes an oracle of what a run's clients note in record.
func New(record *Record, stores Stores) *Oracle { return &Oracle{record: record, stores: stores} }

// lookEvery is the pause between two looks.
const lookEvery = 200 * time.Millisecond

// Recovered waits until every mitra whose socket is open now, and whom Postgres says to be available, has been seen counted, and
// tells who was not within that time. A mitra that becomes busy or leaves meanwhile is let off.
func (o *Oracle) Recovered(ctx context.Context, within time.Duration) []Breach {
	limit := time.NewTimer(within)
	defer limit.Stop()
	var waiting map[protocol.UUID]Mitra
	var broken []Breach
	for {
		audit, err := o.stores.Audit(ctx, time.Now())
		if err == nil {
			o.record.mu.Lock()
			owed := o.owed(audit)
			broken = append(broken, o.room(audit)...)
			o.record.mu.Unlock()
			for id := range waiting {
				if _, still := owed[id]; !still {
					delete(waiting, id)
				}
			}
			if waiting == nil {
				waiting = owed
			}
			if len(waiting) == 0 {
				return broken
			}
		}
		select {
		case <-ctx.Done():
			return append(broken, Breach{Readable, ctx.Err().Error()})
		case <-limit.C:
			if err != nil {
				return append(broken, Breach{Readable, err.Error()})
			}
			return append(broken, briefly(o.uncounted(waiting, within))...)
		case <-time.After(lookEvery):
		}
	}
}

// owed are the mitras who should be counted and are not.
func (o *Oracle) owed(a Audit) map[protocol.UUID]Mitra {
	owed := make(map[protocol.UUID]Mitra)
	for _, m := range a.Mitras {
		if o.record.present(m.ID) && m.takes() && !a.fresh(m) {
			owed[m.ID] = m
		}
	}
	return owed
}

func (o *Oracle) uncounted(waiting map[protocol.UUID]Mitra, within time.Duration) (broken []Breach) {
	o.record.mu.Lock()
	defer o.record.mu.Unlock()
	for id, m := range waiting {
		broken = append(broken, o.breach(Counted, []protocol.UUID{id}, "mitra %s is available and not counted %v later; the mirror: %s", id, within, m.Mirror))
	}
	return broken
}

// Settled looks until no rule is broken, and tells what still is when the time is over. The load must have ended, and sockets
// must stay as they are meanwhile.
func (o *Oracle) Settled(ctx context.Context, within time.Duration) []Breach {
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		broken := o.look(ctx)
		if !slices.ContainsFunc(broken, Breach.mayHeal) {
			return broken
		}
		select {
		case <-ctx.Done():
			return broken
		case <-limit.C:
			return broken
		case <-time.After(lookEvery):
		}
	}
}

// mayHeal tells whether another look may find the rule kept after all; what was done wrong once was done.
func (b Breach) mayHeal() bool {
	return !slices.Contains([]Rule{Winner, Room, Asked, Beating}, b.Rule)
}

// sinceSlack is for the clocks of the run and of the stores.
const sinceSlack = time.Minute

func (o *Oracle) look(ctx context.Context) []Breach {
	sent := time.Now()
	audit, err := o.stores.Audit(ctx, o.record.begin.Add(-sinceSlack))
	if err != nil {
		return []Breach{{Readable, err.Error()}}
	}
	ahead := time.UnixMilli(audit.Now).Sub(sent.Add(time.Since(sent) / 2))
	o.record.mu.Lock()
	defer o.record.mu.Unlock()
	return briefly(slices.Concat(
		o.kept(audit), o.winners(audit), o.room(audit), o.asked(audit), o.beating(audit, ahead),
		o.mirrored(audit), o.present(audit), o.counted(audit), o.told(audit),
		level(audit.Books)))
}

// level holds the books to the sum that must come out, at any moment.
func level(b Books) (broken []Breach) {
	if b.Receipts+b.Operators != b.Funds-b.Returned+b.Balances+b.Refunds || b.Funds != b.Prices {
		broken = append(broken, Breach{Level, fmt.Sprintf("receipts %d + operators' credit %d, and funds %d (prices %d) − returned %d + balances %d + refunds %d",
			b.Receipts, b.Operators, b.Funds, b.Prices, b.Returned, b.Balances, b.Refunds)})
	}
	for _, wrong := range b.Wrong {
		broken = append(broken, Breach{Level, wrong})
	}
	return broken
}

// historiesTold is how many breaches of one rule come with their history.
const historiesTold = 2

// briefly takes the history from all but the first breaches of each rule.
func briefly(broken []Breach) []Breach {
	count := make(map[Rule]int)
	for i := range broken {
		b := &broken[i]
		if count[b.Rule]++; count[b.Rule] > historiesTold {
			b.Detail, _, _ = strings.Cut(b.Detail, "\n")
		}
	}
	return broken
}

// breach is one with the history of the ids. Under the record's lock.
func (o *Oracle) breach(rule Rule, ids []protocol.UUID, format string, args ...any) Breach {
	var text strings.Builder
	fmt.Fprintf(&text, format, args...)
	for _, id := range ids {
		for _, line := range o.record.history[id] {
			fmt.Fprintf(&text, "\n    %s %s", id, line)
		}
	}
	return Breach{rule, text.String()}
}

// History is everything noted of an id.
func (r *Record) History(id protocol.UUID) []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.history[id])
}

// present tells whether a user has a socket that is up and was told its state. Under the lock.
func (r *Record) present(id protocol.UUID) bool {
	u := r.users[id]
	return u != nil && slices.ContainsFunc(u.sockets, func(s *Socket) bool { return s.stated })
}

// fresh tells whether the mirror counts a mitra.
func (a Audit) fresh(m Mitra) bool {
	return m.Mirror.Available != nil && *m.Mirror.Available > a.ValkeyNow-a.Stale
}

// String is all of it in a line.
func (m Mirror) String() string {
	score := func(at *int64) string {
		if at == nil {
			return "no"
		}
		return fmt.Sprint(*at)
	}
	return fmt.Sprintf("online %t, deactivated %t, capacity %q, version %d, socket %d, heartbeat %d, available %s, waiting %s",
		m.Online, m.Deactivated, m.Capacity, m.Version, m.Epoch, m.Heartbeat, score(m.Available), score(m.Waiting))
}
