// Package oracle says whether a run of clients left everything as it should be: it holds what crossed the clients' sockets to what
// the stores say. It knows neither the stores nor the gateway, so it can be wrong about nothing that they have in common.
//
//	client ──Sent, Received──► Socket ─┐
//	client ──Sent, Received──► Socket ─┼─► Record ─┐
//	client ──Sent, Received──► Socket ─┘           ├─► judge ──► Breach, with the history of the ids concerned
//	a gateway's test route ──► Stores ──► Audit ───┘
//
// # When it is asked
//
//	Recovered   after a fault, while the load goes on: is every open socket of an available mitra counted in time?
//	Settled     when the load has ended and every socket is still up: looked at again and again until nothing is wrong, or
//	            until the time is over; what is wrong then is told
//
// Between the two stores, and between them and a client, truth travels for some milliseconds; that is why one look proves
// nothing, and why Settled wants quiet. What can never be wrong, not even for a moment (over capacity, two winners), is
// judged at every look.
package oracle
