// Package chat is a session's life from the request to its end: the statuses and their one transition table, and the
// service that ends what is due.
//
//	            accept                      paid
//	searching ─────────► pending_payment ─────────► active ──────► ended
//	   │  ▲ reroute           │  │                   │  ▲ extended: ends_at moves, the status stays
//	   │  └───────────────────┼──┴───────────────────┘ reroute
//	   ├─► unmatched          └─► cancelled (payment deadline, customer)
//	   ├─► cancelled (customer)
//	   └─► active (accept, nothing to pay: it costs nothing, credit covers it, or it was paid before a reroute)
//
// Every live status has a deadline, kept in Postgres and read on Postgres's clock:
//
//	searching        end of the wave      next wave, or waiting      (core/pairing, through the port Searches)
//	                 end of the search    unmatched                  (core/pairing)
//	pending_payment  payment deadline     cancelled, payment_timeout
//	active           a minute before      ending_soon, status kept; again after an extension
//	                 ends_at              ended, expired
//
// ended, cancelled and unmatched are terminal: nothing leaves them.
//
// What was put into a session (its price, that of its extensions, credit) and comes back as credit at its end, by Unused:
//
//	searching, pending_payment    whoever ends it         all of it, or after a reroute the share of the seconds that are left
//	active                        mitra, operator,        the share of the seconds that are left: price × left / total,
//	                              deactivation            extensions counted in both
//	                              customer, deletion      nothing: they leave it
//	                              ends_at                 nothing is left
//
// Every instance runs the same deadline loop over the same rows. That is safe because each step is one transaction, guarded
// by the status and by the deadline itself, so a step that another instance took already does nothing; and it is
// what makes a deadline outlive the instance that set it.
//
// # Reroute
//
// A side, an operator, or the absence of the mitra (Watch) takes an active or pending_payment session back to searching: a new round,
// with the age of the session and so at the head of the queue, from which its former mitras and those who declined it are
// left out. The seconds that are paid and left are kept and run again from the next accept. An invoice that is open stays open; paid
// meanwhile, the next accept starts the session. When the round ends without a mitra, what is left is credited (Unused).
//
// # Extension
//
// One at a time waits for its payment (core/payment). Its minutes are added when that comes, whether the session runs or
// searches; when the session is over by then, the money is credit.
package chat
