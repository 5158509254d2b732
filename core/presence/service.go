package presence

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/halobestie/bestie-gateway/core"
)

// Service is presence on one instance. All methods may be called from any goroutine, Run once.
type Service struct {
	cfg      Config
	truth    Truth
	fallback Fallback
	beats    Beats
	mirror   Mirror
	clock    core.Clock
	log      *slog.Logger
	freed    Freed    // set by Run before anything uses it
	audience Audience // likewise

	gathered *gathered
	sockets  *sockets
	touched  *touched
	calm     calm
	count    fallbackCount
	counters counters
	state    atomic.Int32 // a valkeyState

	// Each wakes one loop, holds at most one call, and is never closed.
	flushNow, writeNow, recountNow, seedNow chan struct{}
}

// NewService makes the service. clock is the cluster's: Valkey's time as this instance measures it (valkey.Client.Now), so
// that instances with wrong clocks agree. Nothing runs before Run.
func NewService(cfg Config, truth Truth, fallback Fallback, beats Beats, mirror Mirror, clock core.Clock, log *slog.Logger) *Service {
	return &Service{
		cfg: cfg.withDefaults(), truth: truth, fallback: fallback, beats: beats, mirror: mirror, clock: clock, log: log,
		gathered: new(gathered), sockets: newSockets(), touched: newTouched(),
		flushNow: make(chan struct{}, 1), writeNow: make(chan struct{}, 1),
		recountNow: make(chan struct{}, 1), seedNow: make(chan struct{}, 1),
	}
}

// Run keeps the mirror until ctx ends, then writes what is still gathered (sockets that a drain closed, say) and returns.
// freed and audience are told from here on; neither may block.
func (s *Service) Run(ctx context.Context, freed Freed, audience Audience) error {
	s.freed, s.audience = freed, audience
	s.calm.disturb(s.cfg.Stale)
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){
		s.newFlusher().run, s.runWriter, s.runBeacon, s.runWatchdog, s.runSeeder, s.runOfflineSweep, s.runHeartbeatSweep,
	} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
	return nil
}

// wake lets a loop run, now or once more after what it is doing.
func wake(loop chan struct{}) {
	select {
	case loop <- struct{}{}:
	default:
	}
}

// failed notes the outcome of a call to the mirror and tells whether it is an error.
func (s *Service) failed(err error) bool {
	if err == nil {
		return false
	}
	s.counters.mirrorErrors.Add(1)
	s.calm.disturb(s.cfg.Stale)
	return true
}

// Connect registers a mitra's new socket: it takes its epoch from Postgres, and the mirror learns of it soon after. With
// UNAVAILABLE the caller keeps the socket with epoch 0 and tries again. NOT_FOUND.
func (s *Service) Connect(ctx context.Context, mitra core.MitraID) (Mitra, error) {
	m, err := s.truth.Connect(ctx, mitra)
	if err != nil {
		return Mitra{}, err
	}
	s.sockets.opened(Socket{MitraID: mitra, Epoch: m.ConnectionEpoch}, s.clock())
	s.gathered.add(mitra)
	wake(s.flushNow)
	return m, nil
}

// Alive notes a sign of life. It neither blocks nor allocates: event loops call it for every frame.
func (s *Service) Alive(mitra core.MitraID) { s.gathered.add(mitra) }

// Dropped notes that the socket of that epoch went away. It does not block. Sockets of epoch 0, and those that a newer one
// replaced, change nothing.
func (s *Service) Dropped(mitra core.MitraID, epoch int64, how Drop) {
	if epoch == 0 {
		return
	}
	if s.sockets.dropped(Dropped{Socket: Socket{MitraID: mitra, Epoch: epoch}, How: how, At: s.clock()}) {
		s.gathered.forget(mitra)
		wake(s.flushNow)
	}
}

// SetMode is the mitra's own switch. ACCOUNT_INACTIVE, WRONG_STATE when another socket took this one's place, BAD_MESSAGE
// for a mode that there is not, UNAVAILABLE.
func (s *Service) SetMode(ctx context.Context, mitra core.MitraID, mode Mode, epoch int64) (Mitra, error) {
	if !mode.Valid() {
		return Mitra{}, core.FieldError("mode", "must be %s, %s or %s", Online, Finishing, Offline)
	}
	if mode == Online {
		// The heartbeat should be there before the mode is mirrored, or the mitra counts only from its next one on.
		s.gathered.add(mitra)
		wake(s.flushNow)
	}
	return s.truth.SetMode(ctx, mitra, mode, epoch)
}

// Touch mirrors mitras that a transaction changed. It does not block; calls are gathered.
func (s *Service) Touch(ids []core.MitraID) {
	if len(ids) == 0 {
		return
	}
	s.touched.add(ids)
	wake(s.writeNow)
}
