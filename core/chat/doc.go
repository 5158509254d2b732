// Package chat is a session's life from the request to its end: the statuses and their one transition table, and the
// service that ends what is due.
//
//	            accept                      paid
//	searching ─────────► pending_payment ─────────► active ──────► ended
//	   │  ▲ reroute           │  │                   │
//	   │  └───────────────────┼──┴───────────────────┘ reroute
//	   ├─► unmatched          └─► cancelled (payment deadline, customer)
//	   ├─► cancelled (customer)
//	   └─► active (accept, nothing to pay)
//
// Every live status has a deadline, kept in Postgres and read on Postgres's clock:
//
//	searching        end of the wave      next wave, or waiting      (core/pairing, through the port Searches)
//	                 end of the search    unmatched                  (core/pairing)
//	pending_payment  payment deadline     cancelled, payment_timeout
//	active           a minute before      ending_soon, status kept
//	                 ends_at              ended, expired
//
// ended, cancelled and unmatched are terminal: nothing leaves them.
//
// Every instance runs the same deadline loop over the same rows. That is safe because each step is one transaction, guarded
// by the status and by the deadline itself, so a step that another instance took already does nothing; and it is
// what makes a deadline outlive the instance that set it.
package chat
