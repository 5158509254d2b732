package presence

import "sync/atomic"

// Stats counts since the start, but for Sockets.
type Stats struct {
	Sockets       int    // mitras' live sockets on this instance, now
	Beats         uint64 // heartbeats written to the mirror
	BeatsKept     uint64 // heartbeats that a failed flush kept for the next one
	BeatsSaved    uint64 // heartbeats written to Postgres
	Writes        uint64 // mitras mirrored after a transition or a new socket
	WritesLate    uint64 // of them, those whom a newer write had overtaken
	WritesFailed  uint64
	ReadsMirror   uint64 // reads that the mirror answered
	ReadsFallback uint64 // reads that went to Postgres
	MirrorErrors  uint64
	Announced     uint64 // counts published
	Seeds         uint64
	Reseeds       uint64
	Drifted       uint64 // mitras and members that a reseed found different
	SweepsSkipped uint64 // auto-offline sweeps that did not run, for safety
	TakenOffline  uint64
}

type counters struct {
	beats, beatsKept, beatsSaved, writes, writesLate, writesFailed, readsMirror, readsFallback atomic.Uint64
	mirrorErrors, announced, seeds, reseeds, drifted, sweepsSkipped, takenOffline              atomic.Uint64
}

// Stats reads the counters.
func (s *Service) Stats() Stats {
	c := &s.counters
	return Stats{
		Sockets:       s.sockets.count(),
		Beats:         c.beats.Load(),
		BeatsKept:     c.beatsKept.Load(),
		BeatsSaved:    c.beatsSaved.Load(),
		Writes:        c.writes.Load(),
		WritesLate:    c.writesLate.Load(),
		WritesFailed:  c.writesFailed.Load(),
		ReadsMirror:   c.readsMirror.Load(),
		ReadsFallback: c.readsFallback.Load(),
		MirrorErrors:  c.mirrorErrors.Load(),
		Announced:     c.announced.Load(),
		Seeds:         c.seeds.Load(),
		Reseeds:       c.reseeds.Load(),
		Drifted:       c.drifted.Load(),
		SweepsSkipped: c.sweepsSkipped.Load(),
		TakenOffline:  c.takenOffline.Load(),
	}
}
