package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halobestie/bestie-gateway/core"
)

// retries bounds how often a transaction is begun anew.
const retries = 3

// errAgain is returned by a use case that lost a race in a way that a fresh transaction sorts out.
var errAgain = errors.New("lost a race")

// tx is a transaction of one use case: it gathers the events and the mitras that its commit announces.
type tx struct {
	pgx.Tx
	db      *DB
	drafts  []core.Event // without ids yet
	events  []core.Event // as committed
	mitras  []core.MitraID
	pushes  []draftPush // beside an event: nobody is woken for what changed nothing
	starved []starved
}

// starved is a wave that may have lost its last open offer to something that was not allowed to lock its session.
type starved struct {
	session core.SessionID
	wave    int
}

// inTx runs f in a transaction, commits, and tells the outbox and the OnCommit listeners. Deadlocks, serialisation failures
// and errAgain begin it anew, up to 3 times: f must have no effects outside of tx. Errors of f that carry a core.Code roll
// back and are returned as they are. All of it takes two seconds at most; ctx inside f carries that deadline. When
// UNAVAILABLE comes from the commit, it is unknown whether it happened.
func (db *DB) inTx(ctx context.Context, op string, f func(ctx context.Context, tx *tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		t, err := db.attempt(ctx, f)
		if err == nil {
			db.counters.transactions.Add(1)
			db.committed(t)
			db.endStarvedWaves(ctx, t.starved)
			return nil
		}
		if attempt > retries || !worthRetrying(err) {
			return db.classify(op, err)
		}
		db.counters.retries.Add(1)
		pause := time.NewTimer(rand.N(time.Duration(attempt) * 10 * time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return db.classify(op, err)
		}
	}
}

func (db *DB) attempt(ctx context.Context, f func(ctx context.Context, tx *tx) error) (*tx, error) {
	pgtx, err := db.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	t := &tx{Tx: pgtx, db: db}
	if err = f(ctx, t); err == nil {
		err = t.flush(ctx)
	}
	if err == nil {
		err = t.commit(func() error { return pgtx.Commit(ctx) })
	}
	if err != nil {
		// The time may be up, and the locks must go all the same. A connection that cannot do even this is closed by the pool.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout/2)
		defer cancel()
		_ = pgtx.Rollback(ctx)
		return nil, err
	}
	return t, nil
}

// emit announces, when the transaction commits, that something happened to a user.
func (t *tx) emit(kind core.EventKind, to core.UserID, body any) error {
	event, err := core.NewEvent(kind, to, body)
	if err != nil {
		return err
	}
	t.drafts = append(t.drafts, event)
	return nil
}

// changed has OnCommit told of mitras whose mirror must follow. The use case's own statement has bumped their versions.
func (t *tx) changed(mitras ...core.MitraID) { t.mitras = append(t.mitras, mitras...) }

// flush writes the events to the outbox and the pushes to their queue, in one statement, as the transaction's last act.
func (t *tx) flush(ctx context.Context) error {
	if len(t.drafts) == 0 {
		return nil
	}
	kinds, users, bodies := make([]string, len(t.drafts)), make([]core.UserID, len(t.drafts)), make([]string, len(t.drafts))
	for i, e := range t.drafts {
		kinds[i], users[i], bodies[i] = string(e.Kind), e.To, string(e.Body)
	}
	sql, args := flushSQL, []any{core.EventVersion, kinds, users, bodies}
	if len(t.pushes) > 0 {
		sql, args = queuePushesSQL+flushSQL, append(args, t.pushArgs()...)
	}
	rows, err := t.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	t.events = t.drafts
	for i, id := range ids {
		t.events[i].ID = id
	}
	return nil
}

// Identity values are given out in the order of the insert's source, so RETURNING lists them in the order of the arrays.
const flushSQL = `
	insert into event_outbox (version, kind, to_user, body)
	select $1, e.kind, e.to_user, e.body
	from unnest($2::text[], $3::uuid[], $4::json[]) with ordinality e (kind, to_user, body, n) order by e.n
	returning id`
