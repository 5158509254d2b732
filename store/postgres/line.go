package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// How long a call waits for a connection. A burst may use all of its time: the queue is gone in a moment. A queue that has not been
// empty for as long as a call may take is a jam, not a burst: Postgres is slow, frozen or full, and whoever comes then is told soon
// (UNAVAILABLE), so that callers do not pile up behind each other, all of them to be told after two seconds.
const (
	jamAfter    = callTimeout
	jamPatience = 300 * time.Millisecond
)

// line is the queue for connections. It is a tracer, since the pool lets a tracer replace the context under which it waits.
type line struct {
	queries pgx.QueryTracer // Options.Tracer; may be nil

	mu      sync.Mutex
	waiting int
	since   time.Time // when the line was empty last
}

var _ pgxpool.AcquireTracer = (*line)(nil)

// TraceAcquireStart bounds the wait while there is a jam.
func (l *line) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == 0 {
		l.since = now
	}
	l.waiting++
	patience := time.Duration(1<<63 - 1)
	if now.Sub(l.since) > jamAfter {
		patience = jamPatience
	}
	if deadline, limited := ctx.Deadline(); limited && time.Until(deadline) < patience {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	return context.WithValue(ctx, endOfWait{}, cancel)
}

// endOfWait is where the context of a wait holds its cancel function.
type endOfWait struct{}

// TraceAcquireEnd ends what TraceAcquireStart began.
func (l *line) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, bounded := ctx.Value(endOfWait{}).(context.CancelFunc); bounded {
		cancel()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
}

// TraceQueryStart passes on to Options.Tracer.
func (l *line) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if l.queries == nil {
		return ctx
	}
	return l.queries.TraceQueryStart(ctx, conn, data)
}

// TraceQueryEnd passes on to Options.Tracer.
func (l *line) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if l.queries != nil {
		l.queries.TraceQueryEnd(ctx, conn, data)
	}
}
