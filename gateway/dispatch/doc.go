// Package dispatch is the one translator between the wire (package protocol) and the domain (core/...): nothing else in
// the gateway knows both. It holds no socket and starts no goroutine.
//
// Inbound, one request after the other of a connection:
//
//	frame ─► does it exist, may this role send it ─► decode ─► one call of a room ─► ack with the request's id
//	             UNKNOWN_KIND, FORBIDDEN          BAD_MESSAGE    core.Error ──────► error with it (failure.go, one table)
//
// A request with id 0 is carried out and never answered. offer.received is never acknowledged, whatever its id; what is wrong
// with one is answered when it has an id.
//
// Outbound, a core.Event becomes one frame in the form of the role that sees it (event.go): a mitra never sees price,
// payment or checkout URL.
//
// The files: connection (heartbeat, refresh, device), presence (mode, availability), pairing (requests and offers), session, state
// (welcome and state.get), event, failure.
package dispatch
