package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go keeps as much garbage as there is live data before it collects, and the pages of a crowd that came and went. So an idle socket
// of 330 B of structs was 640 to 750 B of resident memory; with what follows it is 290 to 400 B. At rest the collector begins
// sooner, and what a crowd left is given back once. Rest is when next to nothing is allocated, so that it works seldom all the
// same: heartbeats and broadcasts allocate nothing.
const (
	restEvery   = 500 * time.Millisecond // between two looks
	restBytes   = 128 << 10              // allocated between two looks: less is rest
	restGarbage = 25                     // GOGC at rest
	crowdBytes  = 4 << 20                // allocated since the last rest: more is worth to give memory back
)

// keepLean tunes the collector of the whole process until ctx ends.
func keepLean(ctx context.Context) error {
	own := debug.SetGCPercent(restGarbage)
	defer debug.SetGCPercent(own)
	atRest := min(own, restGarbage) // GOGC may ask for less, or for no collector at all
	debug.SetGCPercent(atRest)
	var allocated allocations
	looks := watch{before: allocated.read(), resting: true}
	next := time.NewTicker(restEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		switch looks.look(allocated.read()) {
		case crowdCame:
			debug.SetGCPercent(own)
		case crowdRests:
			debug.SetGCPercent(atRest)
			debug.FreeOSMemory()
		case littleRests:
			debug.SetGCPercent(atRest)
		}
	}
}

// change is what a look finds.
type change int

const (
	noChange change = iota
	crowdCame
	crowdRests  // and has left pages behind
	littleRests // it was nothing worth the while
)

// watch tells work from rest by what was allocated.
type watch struct {
	before  uint64 // at the last look
	rested  uint64 // at the end of the last rest
	resting bool
}

func (w *watch) look(allocated uint64) change {
	rest := allocated-w.before < restBytes
	before := w.before
	w.before = allocated
	if rest == w.resting {
		return noChange
	}
	w.resting = rest
	switch {
	case !rest:
		w.rested = before
		return crowdCame
	case allocated-w.rested > crowdBytes:
		return crowdRests
	default:
		return littleRests
	}
}

// allocations reads how many bytes the process has allocated so far.
type allocations [1]metrics.Sample

func (a *allocations) read() uint64 {
	a[0].Name = "/gc/heap/allocs:bytes"
	metrics.Read(a[:])
	return a[0].Value.Uint64()
}
