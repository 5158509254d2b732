// Package pairing finds a mitra for a customer. A search asks mitras in waves of offers, and the first who accepts wins;
// a search that runs out of mitras waits until one becomes free.
//
//	request ── candidates (mirror) ──► wave 1 ── all declined, or its time is over ──► wave 2 … wave n
//	                │                    │                                                    │
//	                │ nobody             │ accept                        waves used up, or    │
//	                ▼                    ▼                               nobody left to ask   ▼
//	             waiting ───────────► matched ◄───────────────────────────────────────── waiting
//	                │     a mitra becomes free: it is offered the oldest search            │
//	                │     that it was not yet asked about; accept                          │
//	                └──────────────► unmatched, when the search's own time is over ◄───────┘
//
// Who may be asked is guessed from the mirror (Candidates) and decided in Postgres, under lock, where the offers are
// written. So a stale mirror costs a line in the wave's record and never a wrong offer.
//
// Three things happen without anybody asking, all in Run, on every instance at once:
//
//   - Offers past their time are closed, twice a second.
//   - Mitras who became free (Freed) are offered the oldest waiting search at once. Once a second, whoever is
//     available is offered what still waits, for the mitra whose moment was missed: freed on an instance that died, or
//     between a search's last look at the mirror and its turn to waiting.
//   - Customers connected here hear their position in the queue, every two seconds.
//
// The end of a wave and of a search are deadlines of the session: core/chat's loop calls Due.
package pairing
