// Package gateway is the server of the one public port. It wires what stands below it: gateway/socket brings connections and
// bytes, gateway/dispatch turns them into calls of the rooms, gateway/hub finds a user's connections.
//
//	socket's loops ──Upgrade──► who is it (no I/O)                                            admission.go
//	               ──Open─────► hub.Add ─► job: welcome                                       welcome.go
//	               ──Message──► kinds 1 2 4 5: answered in the loop                           handler.go
//	                            all others: the connection's queue ─► a worker ─► answer      work.go
//	               ──Deadline─► token: auth.expiring, then 4100; drain: 1012                  admission.go, drain.go
//	               ──Closed───► hub.Remove, presence.Dropped
//	bus, outbox ──Event──► seen before? ─► hub.Of(user) ─► one frame a role ─► each connection  fanin.go
//	presence ──Availability──► hub.Beacon ─► the subscribers, at most 4 times a second        fanin.go
//	pairing  ──Position──────► the customer's connections                                     fanin.go
//
// # Order
//
// A connection is one worker's at a time, so its requests are carried out, and answered, in the order in which they came. The
// answers to kinds 1, 2, 4 and 5 overtake. What arrives when the queue is full is answered OVERLOADED in its turn; when all
// workers are busy it is answered so at once, since nothing is before it. No loop ever waits for a worker.
//
// # A connection's opening
//
//	registered ─► (mitra: epoch) ─► state read ─► welcome ─► held events ─► open
//	                  │                 │
//	                  └── Postgres is out: welcome without state; the mitra has epoch 0 and takes one later
//
// Events for a connection that is not open yet are held back, so whatever changed after the state was read comes behind
// welcome, and nothing falls between the two.
//
// # One socket a mitra
//
// Each connect takes a higher epoch from Postgres and tells all instances (core.MitraReplaced): connections with a lower
// one close with 4000. A connection whose epoch is still on its way is not judged by that event; it is compared with it when its
// epoch arrives. While Postgres is out nobody is replaced. When it is back, the user's newest connection takes its epoch: at the
// first request that needs one, else within a second.
//
// # Events are not lost
//
// They come over the bus. While the bus is not live, the outbox is read every 500 ms; after a resubscription it is read once. Both
// overlap what was seen before, and a bounded window of outbox ids drops what comes twice. What is older than the
// window is sent again: receivers take duplicates.
package gateway
