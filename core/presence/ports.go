package presence

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Truth is Postgres: every change of a mitra's mode or socket commits here before anything else hears of it.
type Truth interface {
	// Connect takes a new connection epoch for a mitra's socket, writes last_heartbeat_at, emits core.MitraReplaced
	// and returns the mitra as it is now. Concurrent calls are gathered over 5 ms into one statement. NOT_FOUND, UNAVAILABLE.
	Connect(ctx context.Context, mitra core.MitraID) (Mitra, error)
	// SetMode is the mitra's own switch. Going online writes last_heartbeat_at and, when it becomes available by that,
	// available_since. Leaving online withdraws its open offers. finishing without a session is offline at once
	// (reason finished). Logged, versioned, emitted. Setting the mode it has changes nothing. epoch is the asking
	// socket's. ACCOUNT_INACTIVE, WRONG_STATE when the epoch is not current, UNAVAILABLE.
	SetMode(ctx context.Context, mitra core.MitraID, mode Mode, epoch int64) (Mitra, error)
	// Mitras reads the named ones, capacity counted in the same statement; unknown ids are left out.
	Mitras(ctx context.Context, ids []core.MitraID) ([]Mitra, error)
	// Page reads all mitras in order of id, for a seed: up to limit of those above after.
	Page(ctx context.Context, after core.MitraID, limit int) ([]Mitra, error)
}

// Fallback answers the mirror's questions from Postgres, with last_heartbeat_at within fresh.
type Fallback interface {
	CountAvailable(ctx context.Context, fresh time.Duration) (int, error)
	FindAvailable(ctx context.Context, k int, exclude []core.MitraID, fresh time.Duration) ([]core.MitraID, error)
	IsReachable(ctx context.Context, mitra core.MitraID, fresh time.Duration) (bool, error)
}

// Beats keeps last_heartbeat_at in Postgres.
type Beats interface {
	// SaveHeartbeats writes them with one UNNEST statement (batched past 10,000), never moving a time back, and
	// names those among them who are deactivated.
	SaveHeartbeats(ctx context.Context, beats []Heartbeat) (deactivated []core.MitraID, err error)
	// TakeOffline sets those of the named mitras offline, reason heartbeat_timeout, whose last_heartbeat_at is
	// older than stale too, in the same UPDATE; logs, withdraws offers, emits. It returns whom it took.
	TakeOffline(ctx context.Context, ids []core.MitraID, stale time.Duration) ([]core.MitraID, error)
}
