// Package hub knows who is connected to this instance. It holds no socket and writes no byte: a connection is a type parameter,
// so that the package is tested without any.
//
// Hub finds a user's connections by id. A customer may have several at once. A mitra may too, for a moment: until the
// newer one has its connection epoch, and so until it is certain that it is the newer one in the whole cluster
// (Below then names those that have to go).
//
// Beacon is the one topic: the number of available mitras. Its subscribers are seated by event loop, and a loop's
// seats are touched in that loop alone, so subscribing takes no lock and a broadcast needs no snapshot:
//
//	Publish ──► current value ──(Run, at most once a pace)──► encode once ──► one post a loop ──► walk over its seats
//
// What is published faster than the pace is conflated; the last value always goes out.
package hub
