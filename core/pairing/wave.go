package pairing

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
)

// Step is what a search does next when its deadline has passed.
type Step string

// The four steps.
const (
	RunWave Step = "wave"      // ask the next mitras
	Wait    Step = "wait"      // the waves are used up: wait for a mitra to become free
	Stay    Step = "stay"      // waiting already, and its time is not over: a mitra or the search's end moves it
	GiveUp  Step = "unmatched" // the search's time is over
)

// Next decides a search's step by what was read of it. The end of the search comes before everything.
func (s Search) Next(maxWaves int) Step {
	switch {
	case s.Over:
		return GiveUp
	case s.Waiting:
		return Stay
	case s.Wave-s.Before >= maxWaves:
		return Wait
	default:
		return RunWave
	}
}

// Due takes a search whose wave or whole time is over through its next step. A search that is over, or that another instance
// moved first, is left alone. UNAVAILABLE.
func (s *Service) Due(ctx context.Context, id core.SessionID) error {
	search, err := s.searches.Search(ctx, id)
	if core.CodeOf(err) == core.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	switch search.Next(s.settings().MaxWaves) {
	case GiveUp:
		s.unmatched.Add(1)
		return s.searches.Unmatch(ctx, id)
	case Wait:
		return s.searches.NextWave(ctx, id, search.Wave, nil)
	case RunWave:
		candidates, err := s.candidates.FindAvailable(ctx, MaxConsidered, search.Asked)
		if err != nil {
			return err
		}
		s.waves.Add(1)
		return s.searches.NextWave(ctx, id, search.Wave, candidates)
	default:
		return nil
	}
}
