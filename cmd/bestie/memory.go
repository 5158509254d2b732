package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go keeps as much garbage as there is live data before it collects, and the pages of a crowd that came and went. So an idle socket
// of 330 B of structs was 640 to 750 B of resident memory; with what follows it is 290 to 440 B. At rest the collector begins
// sooner, and what a crowd left is given back once. Rest is when next to nothing is allocated, so that it works seldom all the
// same: heartbeats and broadcasts allocate nothing.
const (
	workEvery   = 500 * time.Millisecond // between two looks, while there is work; at rest nothing wakes up
	restBytes   = 128 << 10              // allocated between two looks: less is rest
	restGarbage = 25                     // GOGC at rest
	crowdBytes  = 4 << 20                // allocated since the last rest: more is worth to give memory back
)

// keepLean tunes the collector of the whole process until ctx ends.
//
//	work ── a look finds next to nothing allocated: GOGC 25, pages given back ──► rest
//	rest ── a collection begins: GOGC as it was ──► work
func keepLean(ctx context.Context) error {
	own := debug.SetGCPercent(restGarbage)
	defer debug.SetGCPercent(own)
	atRest := min(own, restGarbage) // GOGC may ask for less, or for no collector at all
	for {
		debug.SetGCPercent(own)
		worked, ok := untilRest(ctx)
		if !ok {
			return nil
		}
		debug.SetGCPercent(atRest)
		if worked > crowdBytes {
			debug.FreeOSMemory()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-collected():
		}
	}
}

// untilRest returns when the process allocates next to nothing, with what it allocated until then; false when ctx ended.
func untilRest(ctx context.Context) (worked uint64, ok bool) {
	look := time.NewTicker(workEvery)
	defer look.Stop()
	began := allocated()
	for before := began; ; {
		select {
		case <-ctx.Done():
			return 0, false
		case <-look.C:
		}
		now := allocated()
		if now-before < restBytes {
			return now - began, true
		}
		before = now
	}
}

// allocated is how many bytes the process has allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// collected is closed by the next collection.
func collected() <-chan struct{} {
	next := make(chan struct{})
	mark := new([64]byte)
	runtime.AddCleanup(mark, func(next chan struct{}) { close(next) }, next)
	return next
}
