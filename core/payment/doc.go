// Package payment is money on its way: invoices at a vendor, what arrives for them, refunds, and customers' credit.
//
//	            vendor answered             money arrived
//	opening ─────────────────────► open ─────────────────────► paid ──────► refunded
//	   │                             │                          ▲  an operator
//	   ├─► failed    (vendor)        ├─► failed   (vendor)      │
//	   ├─► expired   (our deadline)  ├─► expired  (our deadline, or the vendor's)
//	   └─► cancelled (session over)  └─► cancelled ─────────────┘ late money
//
// An invoice is a row before the vendor hears of it: accepting an offer writes it, extending a session does. What is to be done for it
// is due at a time that stands in the row (open it, look whether it was paid, cancel it), and any instance's Run may claim it
// for Lease. Calls to the vendor are made outside of any transaction; what came of one is written under the session's lock and
// guarded by the payment's status, so a worker that comes back late changes nothing.
//
// How money has its effect, whatever tells of it (a webhook, the poller, the answer to a cancellation):
//
//	reference, amount and currency match? ── no ──► kept, alarmed, without effect
//	        │ yes
//	is it in payment_receipts already? ── yes ──► nothing: it came twice
//	        │ no
//	does its session, or extension, still wait? ── no ──► the customer's credit
//	        │ yes
//	        ▼
//	the session starts, or has its minutes kept while it searches; the extension is added
//
// One vendor session is shown for a payment: its address leaves this program only with the row that names it. A second one, which a lost
// answer may leave behind, is cancelled or runs out unseen; if it were paid, that would be the customer's credit.
//
// Credit is a ledger. It is spent first on the next session, and all of it adds up at any time:
//
//	receipts + operators' credit = prices of what was started − returned + balances + refunds
package payment
