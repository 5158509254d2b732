package postgres

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
)

// Publisher is the bus. An error means that it is not known to have taken all of them.
type Publisher interface {
	Publish(ctx context.Context, events []core.Event) error
	// Live tells whether it is worth a try, without looking.
	Live() bool
}

// The outbox's times (valkey.md, "Events are not lost"). An event is claimed by its own transaction for the second that
// claimed_until's default says; 500 ms of looking around keeps a dead instance's events under two seconds.
const (
	outboxTick  = 250 * time.Millisecond // published events are marked so often
	outboxTake  = 500 * time.Millisecond // and those of others looked for so often
	outboxClean = 5 * time.Second
	outboxKeep  = 60 * time.Second
	otherClean  = 10 * time.Minute
	outboxBatch = 500    // events a call of Publish
	outboxQueue = 50_000 // events in memory; what is beyond waits in its row until it is taken over
)

// Outbox carries events from the transactions that caused them to the bus:
//
//	COMMIT ─► queue ─► Publish ─► marked published ─► deleted after 60 s
//	   │         │ this instance died, or the bus refused
//	   └─ row ───┴─► claimed by any instance after 1 s, refused: at once ─► Publish ─► …
//
// An instance whose own way to the bus is cut claims nothing: it would only keep the events from those who can publish them.
//
// Publishing begins with the first event that is there and takes whatever came meanwhile with it; marking lags behind by up to
// a quarter of a second, so an event can be published twice. Receivers take duplicates.
type Outbox struct {
	db *DB

	mu        sync.Mutex
	running   bool
	queue     []core.Event  // committed here, not yet published
	published []int64       // not yet marked
	refused   []int64       // by the bus, and not yet left to others
	wake      chan struct{} // holds one token when queue is not empty
}

func newOutbox(db *DB) *Outbox {
	return &Outbox{db: db, wake: make(chan struct{}, 1)}
}

// Outbox is the one outbox of this DB.
func (db *DB) Outbox() *Outbox { return db.outbox }

// add queues what a transaction committed. It never blocks.
func (o *Outbox) add(events []core.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.running || len(events) == 0 || len(o.queue)+len(events) > outboxQueue {
		return
	}
	o.queue = append(o.queue, events...)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Run publishes until ctx ends; what is queued then is left to other instances. One Run at a time.
func (o *Outbox) Run(ctx context.Context, bus Publisher) error {
	o.mu.Lock()
	o.running = true
	o.mu.Unlock()
	defer o.stop()

	var keeper sync.WaitGroup
	keeper.Go(func() { o.keep(ctx, bus) })
	defer keeper.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
			for events := o.take(); len(events) > 0 && ctx.Err() == nil; events = o.take() {
				o.publish(ctx, bus, events)
			}
		}
	}
}

func (o *Outbox) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running, o.queue = false, nil
}

func (o *Outbox) take() []core.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.queue), outboxBatch)
	events := o.queue[:n:n]
	o.queue = o.queue[n:]
	if len(o.queue) == 0 {
		o.queue = nil // lets go of the array
	}
	return events
}

// publish gives events to the bus. When it refuses, their rows stay unmarked and are tried again by whoever claims them.
func (o *Outbox) publish(ctx context.Context, bus Publisher, events []core.Event) {
	if err := bus.Publish(ctx, events); err != nil {
		o.db.counters.unpublished.Add(uint64(len(events)))
		o.note(&o.refused, events)
		o.db.log.LogAttrs(ctx, slog.LevelDebug, "events not published", slog.Int("events", len(events)), slog.Any("error", err))
		return
	}
	o.db.counters.published.Add(uint64(len(events)))
	o.note(&o.published, events)
}

func (o *Outbox) note(ids *[]int64, events []core.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range events {
		*ids = append(*ids, events[i].ID)
	}
}

// keep marks, takes over, settles doubts and cleans until ctx ends, and marks one last time then. It cleans the other tables, too, whose
// rows have their time.
func (o *Outbox) keep(ctx context.Context, bus Publisher) {
	mark, take := time.NewTicker(outboxTick), time.NewTicker(outboxTake)
	clean, cleanOthers := time.NewTicker(outboxClean), time.NewTicker(otherClean)
	defer mark.Stop()
	defer take.Stop()
	defer clean.Stop()
	defer cleanOthers.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			_ = o.mark(context.WithoutCancel(ctx))
			return
		case <-mark.C:
			err = errors.Join(o.mark(ctx), o.leave(ctx))
			o.db.settleDoubts()
		case <-take.C:
			if bus.Live() {
				err = o.takeOver(ctx, bus)
			}
		case <-clean.C:
			err = o.db.clean(ctx, eventRetention)
		case <-cleanOthers.C:
			for _, r := range otherRetentions {
				err = errors.Join(err, o.db.clean(ctx, r))
			}
		}
		if err != nil && ctx.Err() == nil {
			o.db.log.Debug("outbox", "error", err)
		}
	}
}

func (o *Outbox) mark(ctx context.Context) error {
	o.mu.Lock()
	ids := o.published
	o.published = nil
	o.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	err := o.db.within(ctx, "mark events", func(ctx context.Context) error {
		_, err := o.db.pool.Exec(ctx, `update event_outbox set published_at = now() where id = any($1) and published_at is null`, ids)
		return err
	})
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.published)+len(ids) <= outboxQueue {
			o.published = append(o.published, ids...)
		}
	}
	return err
}

// leave lets others claim at once what the bus refused here. What that fails for, they claim a second after it was made or
// claimed.
func (o *Outbox) leave(ctx context.Context) error {
	o.mu.Lock()
	ids := o.refused
	o.refused = nil
	o.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	return o.db.within(ctx, "leave events", func(ctx context.Context) error {
		_, err := o.db.pool.Exec(ctx, `update event_outbox set claimed_until = now() where id = any($1) and published_at is null`, ids)
		return err
	})
}

const claimSQL = `
	update event_outbox set claimed_until = now() + interval '1 second'
	where id = any(array(
		select id from event_outbox where published_at is null and claimed_until < now()
		order by claimed_until limit $1 for update skip locked))
	returning id, version, kind, to_user, body`

// takeOver publishes what its own instance left lying, whoever that was.
func (o *Outbox) takeOver(ctx context.Context, bus Publisher) error {
	if err := o.mark(ctx); err != nil { // so that nothing of our own is claimed
		return err
	}
	for ctx.Err() == nil {
		events, err := o.events(ctx, "claim events", claimSQL, outboxBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		o.db.counters.takenOver.Add(uint64(len(events)))
		o.publish(ctx, bus, events)
		if len(events) < outboxBatch {
			break
		}
	}
	return o.mark(ctx)
}

// Since reads the events of the last window, oldest first: for an instance whose subscription is or was down. Transactions
// commit out of the order of their ids and begin up to two seconds before they commit, so the window must overlap what was
// read before by three seconds; the reader drops ids that it has seen. Rows are kept 60 s. UNAVAILABLE.
func (o *Outbox) Since(ctx context.Context, window time.Duration) ([]core.Event, error) {
	return o.events(ctx, "read events", sinceSQL, window)
}

const sinceSQL = `select id, version, kind, to_user, body from event_outbox where created_at > now() - $1::interval`

func (o *Outbox) events(ctx context.Context, op, sql string, arg any) (events []core.Event, err error) {
	err = o.db.within(ctx, op, func(ctx context.Context) error {
		rows, err := o.db.pool.Query(ctx, sql, arg)
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e core.Event, err error) {
			err = row.Scan(&e.ID, &e.Version, &e.Kind, &e.To, &e.Body)
			return e, err
		})
		return err
	})
	slices.SortFunc(events, func(a, b core.Event) int { return int(a.ID - b.ID) })
	return events, err
}
