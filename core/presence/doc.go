// Package presence knows who is there: the mitras' modes, their sockets and heartbeats, the count of the available, and the mirror of
// all that in Valkey which the hot path reads.
//
// Postgres (Truth) is changed first; the mirror follows, best effort, and is filled anew whenever it was lost. What comes in,
// and which goroutine carries it on (each is a loop of its own, owned by Run):
//
//	Alive ─────► gathered ──┐
//	Connect ───► sockets ───┼──► flusher ──► heartbeats, sockets up, sockets down ──► Valkey
//	Dropped ───► sockets ───┘       │
//	                                ▼
//	Touch ─────────────────────► writer: reads the mitras from Postgres, mirrors them ──► Freed
//	                                │
//	                                ▼
//	                             beacon: counts anew, announces what changed ──► every instance's Audience
//
// A mitra's socket, as the count and the candidates see it:
//
//	            Connect                      Suspect
//	(none) ───────────────► live, waiting ───────────► counted, not waiting ──Grace──► (none)
//	   ▲                       │      ▲                        │
//	   └──── Clean, Stale ─────┘      └─────── Connect ────────┘
//
// The watchdog looks at Valkey every second. While it is out, reads come from Postgres, heartbeats go there every 15 s, and
// what concerns sockets waits. When it is back, or was emptied, the mirror is seeded and the instance sends its sockets and heartbeats
// again. Three sweeps mend what was missed: auto-offline, heartbeat mirror (sweep.go) and reseed (seed.go).
package presence
