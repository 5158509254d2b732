package presence

import "sync/atomic"

// Stats counts since the start, but for Sockets.
type Stats struct {
	Sockets       uint64 // mitras' live sockets on this instance, now
	Beats         uint64 // heartbeats written to the mirror
	BeatsKept     uint64 // heartbeats that a failed flush kept for the next one
	BeatsSaved    uint64 // heartbeats written to Postgres
	BeatsRecalled uint64 // heartbeats brought to the mirror from there: an instance is cut off from Valkey
	Writes        uint64 // mitras mirrored after a transition or a new socket
	WritesLate    uint64 // of them, those whom a newer write had overtaken
	WritesFailed  uint64
	Reads         Reads
	MirrorErrors  uint64
	Announced     uint64 // counts published
	Seeds         uint64
	Reseeds       uint64
	Mended        uint64 // keys and members that a reseed found different from Postgres and put right
	SweepsSkipped uint64 // auto-offline sweeps that did not run, for safety
	TakenOffline  uint64
}

// Reads counts the questions by what was asked and who answered.
type Reads struct {
	Available, Find, Reachable, Counts Sources
}

// Sources are who answered a question.
type Sources struct {
	Mirror   uint64
	Postgres uint64
}

type counters struct {
	beats, beatsKept, beatsSaved, beatsRecalled                                  atomic.Uint64
	writes, writesLate, writesFailed                                             atomic.Uint64
	mirrorErrors, announced, seeds, reseeds, mended, sweepsSkipped, takenOffline atomic.Uint64
	available, find, reachable, counts                                           reads
}

type reads struct{ mirror, fallback atomic.Uint64 }

func (r *reads) load() Sources { return Sources{Mirror: r.mirror.Load(), Postgres: r.fallback.Load()} }

// Stats reads the counters.
func (s *Service) Stats() Stats {
	c := &s.counters
	return Stats{
		Sockets:       uint64(s.sockets.count()),
		Beats:         c.beats.Load(),
		BeatsKept:     c.beatsKept.Load(),
		BeatsSaved:    c.beatsSaved.Load(),
		BeatsRecalled: c.beatsRecalled.Load(),
		Writes:        c.writes.Load(),
		WritesLate:    c.writesLate.Load(),
		WritesFailed:  c.writesFailed.Load(),
		Reads: Reads{
			Available: c.available.load(), Find: c.find.load(), Reachable: c.reachable.load(), Counts: c.counts.load(),
		},
		MirrorErrors:  c.mirrorErrors.Load(),
		Announced:     c.announced.Load(),
		Seeds:         c.seeds.Load(),
		Reseeds:       c.reseeds.Load(),
		Mended:        c.mended.Load(),
		SweepsSkipped: c.sweepsSkipped.Load(),
		TakenOffline:  c.takenOffline.Load(),
	}
}
