package postgres

import (
	"context"
	"time"
)

// Now is Postgres's clock as far as this instance knows it (a core.Clock): deadlines are on it, and what is said of them must be,
// however wrong our own clock is. Before the first Settings.Load it is our own; while Postgres is away the last measurement holds.
func (db *DB) Now() time.Time { return db.clock().Add(time.Duration(db.ahead.Load())) }

// measureClock is right to half of the time that the answer takes.
func (db *DB) measureClock(ctx context.Context) error {
	return db.within(ctx, "measure the clock", func(ctx context.Context) error {
		conn, err := db.pool.Acquire(ctx) // first: the wait for it is no part of the answer's time
		if err != nil {
			return err
		}
		defer conn.Release()
		var theirs time.Time
		sent := db.clock()
		if err := conn.QueryRow(ctx, `select clock_timestamp()`).Scan(&theirs); err != nil {
			return err
		}
		took := db.clock().Sub(sent)
		db.ahead.Store(int64(theirs.Sub(sent.Add(took / 2).Round(0))))
		return nil
	})
}
