// Package postgres is the truth: every SQL statement of the gateway, the schema's migrations, the transactional outbox
// and the settings that operators tune.
//
// A use case of core is one method here that owns its transaction:
//
//	inTx ─► lock ─► judge ─► UPDATE guarded by status ─► emit, changed ─► flush to event_outbox ─► COMMIT ─► OnCommit, Outbox
//	  ▲                                                                    │
//	  └──────────── 40001, 40P01, a lost race: again, up to 3 times ◄──────┘
//
// Rules that hold for all of them:
//
//   - Locks are taken in one order: session, then offer, then mitra, rows of one table in the order of their ids, always FOR
//     NO KEY UPDATE (foreign keys do not wait for it). What must wait for another order happens in a transaction of its
//     own afterwards and is idempotent.
//   - What is counted (capacity, open offers) is counted by a statement that begins after the lock was had: a count in the
//     locking statement would see the snapshot from before the wait.
//   - A status changes only along core/chat's table of transitions, in an UPDATE that names the status it leaves, and
//     leaves a row in session_events.
//   - Deadlines are judged by Postgres's clock.
//   - Every call ends within two seconds; what the caller sees then, or when Postgres is away, is UNAVAILABLE.
package postgres
