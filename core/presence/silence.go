package presence

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Silence tells for how long nothing was heard of each mitra, whatever its mode; one of whom there is no trace is left out: it never
// beat, or its app said goodbye. sure is false while it proves nothing: after a start, an outage of Valkey's, a new epoch
// or a pause of this process, until everybody who is there has beaten again. An error: Valkey does not answer.
func (s *Service) Silence(ctx context.Context, mitras []core.MitraID) (silence map[core.MitraID]time.Duration, sure bool, err error) {
	if !s.calm.holds() {
		return nil, false, nil
	}
	last, err := s.mirror.Heartbeats(ctx, mitras)
	if err != nil {
		s.failed(err)
		return nil, false, err
	}
	now := s.clock()
	silence = make(map[core.MitraID]time.Duration, len(mitras))
	for i, id := range mitras {
		switch {
		case s.sockets.beatWithin(id, now.Add(-s.cfg.Stale)):
			silence[id] = 0
		case !last[i].IsZero():
			silence[id] = now.Sub(last[i])
		}
	}
	return silence, s.calm.holds(), nil
}
