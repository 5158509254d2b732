package pairing

import (
	"slices"
	"sync"

	"github.com/halobestie/bestie-gateway/core"
)

// freed gathers mitras who became free, each once, in the order in which they did, until the loop takes them. It grows
// to the number of mitras at most.
type freed struct {
	wake chan struct{} // holds one token while there may be mitras to take

	mu    sync.Mutex
	order []core.MitraID
	known map[core.MitraID]struct{}
}

func newFreed() freed {
	return freed{wake: make(chan struct{}, 1), known: make(map[core.MitraID]struct{})}
}

func (f *freed) add(ids []core.MitraID) {
	if len(ids) == 0 {
		return
	}
	f.mu.Lock()
	for _, id := range ids {
		if _, ok := f.known[id]; !ok {
			f.known[id] = struct{}{}
			f.order = append(f.order, id)
		}
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take gives up to n of them, those who have been free longest first, and keeps the rest for the next call.
func (f *freed) take(n int) []core.MitraID {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := slices.Clone(f.order[:min(n, len(f.order))])
	f.order = slices.Delete(f.order, 0, len(taken))
	for _, id := range taken {
		delete(f.known, id)
	}
	return taken
}

func (f *freed) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.order)
}
