package presence

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Truth is Postgres: every change of a mitra's mode or socket commits here before anything else hears of it.
type Truth interface {
	// Connect takes a new connection epoch for a mitra's socket, writes last_heartbeat_at, emits core.MitraReplaced
	// (not for its first socket ever) and returns the mitra as it is now. Concurrent calls are gathered over 5 ms into one statement. NOT_FOUND, UNAVAILABLE.
	Connect(ctx context.Context, mitra core.MitraID) (Mitra, error)
	// SetMode is the mitra's own switch. Going online writes last_heartbeat_at and, when it becomes available by that,
	// available_since. Leaving online withdraws its open offers. finishing without a session is offline at once
	// (reason finished). Logged, versioned, emitted. Setting the mode it has changes nothing. epoch is the asking
	// socket's. ACCOUNT_INACTIVE, WRONG_STATE when the epoch is not current, UNAVAILABLE.
	SetMode(ctx context.Context, mitra core.MitraID, mode Mode, epoch int64) (Mitra, error)
	// Mitras reads the named ones, capacity counted in the same statement; unknown ids are left out.
	Mitras(ctx context.Context, ids []core.MitraID) ([]Mitra, error)
	// Known tells which of the ids are mitras.
	Known(ctx context.Context, ids []core.MitraID) ([]core.MitraID, error)
	// Page reads all mitras in order of id, for a seed: up to limit of those above after.
	Page(ctx context.Context, after core.MitraID, limit int) ([]Mitra, error)
}

// Fallback answers the mirror's questions from Postgres, with last_heartbeat_at within fresh.
type Fallback interface {
	CountAvailable(ctx context.Context, fresh time.Duration) (int, error)
	FindAvailable(ctx context.Context, k int, exclude []core.MitraID, fresh time.Duration) ([]core.MitraID, error)
	IsReachable(ctx context.Context, mitra core.MitraID, fresh time.Duration) (bool, error)
	// Counts leaves out what only the mirror knows.
	Counts(ctx context.Context, fresh time.Duration) (Counts, error)
}

// Beats keeps last_heartbeat_at in Postgres.
type Beats interface {
	// SaveHeartbeats writes them with one UNNEST statement (batched past 10,000), never moving a time back, and
	// names those among them who are deactivated. now is the time of the clock that they are on: what is written is how long
	// ago they were by Postgres's own, since that one judges them and need not agree with any other.
	SaveHeartbeats(ctx context.Context, beats []Heartbeat, now time.Time) (deactivated []core.MitraID, err error)
	// TakeOffline sets those of the named mitras offline, reason heartbeat_timeout, whose last_heartbeat_at is
	// older than stale too, judged under their locks; logs, withdraws offers, emits. It returns whom it took.
	TakeOffline(ctx context.Context, ids []core.MitraID, stale time.Duration) ([]core.MitraID, error)
}

// Mirror is Valkey: the derived copy of Truth that the hot path reads. Each of its methods fails within the time of one
// call (250 ms), and at once while its breaker is open. It may be called from any goroutine.
type Mirror interface {
	MirrorWriter
	MirrorReader
	MirrorKeeper
	Seeder
	Beacon
}

// MirrorWriter brings the mirror up to what Postgres and the sockets say.
type MirrorWriter interface {
	// Beat writes heartbeats of now, and names those among them who are deactivated.
	Beat(ctx context.Context, beats []Heartbeat) (deactivated []core.MitraID, err error)
	// BeatLate writes heartbeats of an earlier time, never moving a time back.
	BeatLate(ctx context.Context, beats []Heartbeat) error
	// SocketsUp enters live sockets of this instance; an epoch below the one that stands there changes nothing. It names those
	// that were not there as they are now, also those of the part that was written before an error.
	SocketsUp(ctx context.Context, up []Socket) (entered []core.MitraID, err error)
	// SocketsDown removes dropped sockets, each only if no other epoch took its place, with what its way of dropping
	// (Drop) does to the mitra's availability.
	SocketsDown(ctx context.Context, down []Dropped) error
	// Write mirrors mitras, all keys of each in one step, unless the mirror holds a higher version. held, unless nil, names for
	// each mitra the higher version that may be overwritten, 0 for none. One outcome a mitra, in their order; an error
	// means that the rest may not have been written.
	Write(ctx context.Context, mitras []Mitra, how Write, held []int64) ([]Outcome, error)
}

// MirrorReader answers from the mirror. Every method fails with ErrUnseeded while the mirror has no epoch: an emptied
// Valkey answers 0 without an error of its own.
type MirrorReader interface {
	// Available is the shared snapshot if there is one, else the count itself.
	Available(ctx context.Context) (Availability, error)
	FindAvailable(ctx context.Context, k int, exclude []core.MitraID) ([]core.MitraID, error)
	IsReachable(ctx context.Context, mitra core.MitraID) (bool, error)
	// Heartbeats reads the last heartbeat of each, in their order, whatever their mode; zero: there is none.
	Heartbeats(ctx context.Context, mitras []core.MitraID) ([]time.Time, error)
	Counts(ctx context.Context) (Counts, error)
}

// MirrorKeeper is what the watchdog and the sweeps need.
type MirrorKeeper interface {
	// Pulse looks whether Valkey answers, also while the breaker is open, which a success closes; and measures its clock.
	Pulse(ctx context.Context) (Pulse, error)
	// Up tells whether the breaker is closed, without looking.
	Up() bool
	// Lease takes the named lease for this instance, or renews it. false: another holds it.
	Lease(ctx context.Context, name string, ttl time.Duration) (bool, error)
	// Online reads a part of the online mitras with their last heartbeats (zero: none). Start with cursor 0; the scan is
	// over when next is 0. Mitras may come twice.
	Online(ctx context.Context, cursor uint64) (beats []Heartbeat, next uint64, err error)
	// Sound removes keys that hold a value of a wrong type, and names them.
	Sound(ctx context.Context) (spoiled []string, err error)
	// Strangers removes everything that names no mitra of Postgres, and sockets that nobody holds any more: known
	// tells whom Postgres knows, a part at a time.
	Strangers(ctx context.Context, known func(context.Context, []core.MitraID) ([]core.MitraID, error)) (Removed, error)
}

// Seeder makes a seed safe against a Valkey that is emptied meanwhile and against a second seeder.
type Seeder interface {
	// BeginSeed takes the lease of a seed for ttl and gives its token: "" when another instance is seeding.
	BeginSeed(ctx context.Context, ttl time.Duration) (token string, err error)
	// KeepSeed renews it. false: it is lost, with all that the seed has written so far.
	KeepSeed(ctx context.Context, token string, ttl time.Duration) (bool, error)
	// RenewEpoch writes a new epoch over the one that stands there: every instance then sends its sockets again.
	RenewEpoch(ctx context.Context) error
	// FinishSeed writes a new epoch, and so opens the mirror to readers. false: as with KeepSeed.
	FinishSeed(ctx context.Context, token string) (bool, error)
	// NoteReseed keeps when a reseed that is done began, on the cluster's clock; Reseeded gives the last one, zero for none.
	NoteReseed(ctx context.Context, began time.Time) error
	Reseeded(ctx context.Context) (began time.Time, err error)
}

// Beacon spreads the available count.
type Beacon interface {
	// Recount counts anew and keeps the result as the shared snapshot, unless a later one stands there. changed: the
	// number differs from the snapshot before. ErrUnseeded as with MirrorReader.
	Recount(ctx context.Context) (now Availability, changed bool, err error)
	// Announce publishes a count to every instance.
	Announce(ctx context.Context, a Availability) error
	// Listening tells whether this instance is subscribed to the announcements, so that Audience gets them from there.
	Listening() bool
}

// Freed is told of mitras who can take a session now and have a live socket. It must not block.
type Freed interface {
	Freed(mitras []core.MitraID)
}

// Audience is the sockets of this instance. Its methods must not block.
type Audience interface {
	// Availability is the count when it cannot come over the bus.
	Availability(n int, at time.Time)
	// Deactivated names mitras whose sockets must close: the event of their deactivation may have been lost.
	Deactivated(ids []core.MitraID)
}
