package presence

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	beaconLease = "beacon"
	beaconEvery = time.Second
	// beaconTTL lets another instance take over soon after the holder died.
	beaconTTL = 3 * time.Second
	// recountGap is the least time between two counts of this instance, however many writes there are.
	recountGap = 50 * time.Millisecond
	// announceEvery is how often the holder announces also what did not change, for whom a message was lost.
	announceEvery = 10 * time.Second
)

// beacon spreads the available count. All fields are its goroutine's.
type beacon struct {
	*Service
	owed     *Availability // counted, and not announced yet
	told     Availability  // last given to our own audience
	toldAt   time.Time
	announce time.Time // last announced by us
	outage   core.Outage
}

// runBeacon counts after each mirror write, and, as holder of the lease, every second for mitras who went stale.
func (s *Service) runBeacon(ctx context.Context) {
	b := &beacon{Service: s, outage: core.Outage{Log: s.log, What: "counting available mitras in Postgres"}}
	ticker := time.NewTicker(beaconEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.tick(ctx)
		case <-s.recountNow:
			b.recount(ctx, false)
			select {
			case <-ctx.Done():
				return
			case <-time.After(recountGap):
			}
		}
	}
}

func (b *beacon) tick(ctx context.Context) {
	if !b.mirror.Up() {
		b.fallBack(ctx)
		return
	}
	if !b.mirror.Listening() {
		b.recount(ctx, false)
		return
	}
	if holder, err := b.mirror.Lease(ctx, beaconLease, beaconTTL); b.failed(err) {
		return
	} else if holder {
		b.recount(ctx, time.Since(b.announce) >= announceEvery)
	} else if b.owed != nil {
		b.send(ctx)
	}
}

// recount counts in the mirror; always announces also a count that did not change.
func (b *beacon) recount(ctx context.Context, always bool) {
	if !b.mirror.Up() {
		return
	}
	now, changed, err := b.mirror.Recount(ctx)
	if b.failed(err) {
		b.fallBack(ctx)
		return
	}
	if changed || always || b.owed != nil {
		b.owed = &now
		b.send(ctx)
	}
	if !b.mirror.Listening() && (now.Count != b.told.Count || time.Since(b.toldAt) >= announceEvery) {
		b.tell(now)
	}
}

// send announces what is owed.
func (b *beacon) send(ctx context.Context) {
	if b.failed(b.mirror.Announce(ctx, *b.owed)) {
		return
	}
	b.counters.announced.Add(1)
	b.owed, b.announce = nil, time.Now()
}

// fallBack tells our own audience what Postgres counts, one count every 10 s.
func (b *beacon) fallBack(ctx context.Context) {
	if time.Since(b.toldAt) < countEvery {
		return
	}
	now, err := b.countInPostgres(ctx)
	if b.outage.Note(ctx, err) == nil {
		b.tell(now)
	}
}

// tell gives our own audience a count that does not reach it over the bus.
func (b *beacon) tell(now Availability) {
	b.told, b.toldAt = now, time.Now()
	b.audience.Availability(now.Count, now.At)
}
