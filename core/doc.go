// Package core is the domain's vocabulary: identifiers with a type each, error codes, events, run-time settings and the
// clock. It is the ground floor that every room of core/... and both stores stand on; it knows neither the wire
// (package protocol) nor the stores.
//
// The rooms above it own one business noun each:
//
//	core/auth      who you are: tokens, phone codes, revocation
//	core/presence  who is there: modes, heartbeats, the available count, the mirror
//	core/chat      a session's life from the request to its end
//	core/payment   money on its way: invoices, what arrives for them, refunds, credit
//	core/pairing   finding a mitra: searches, waves, offers, accept
//	core/push      what reaches an app whose socket is down
package core
