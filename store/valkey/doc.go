// Package valkey keeps what is derived and shared in Valkey (or redis 7): the mirror of who is available, leases and the list of
// instances. Every key name and every script of the project stands here; the interfaces that it implements are core/presence's. How
// Valkey is reached is package link's matter, the event bus is package bus's.
//
// All of it can be lost. The mirror is filled anew from Postgres, events wait in the outbox, leases only save double work.
// The keys (before each: the prefix) and who writes them:
//
//	mitras:online        SET     mirror.lua        mode online or finishing
//	mitras:deactivated   SET     mirror.lua        not active
//	mitra:capacity:<id>  STRING  mirror.lua        sessions that the mitra holds
//	mitra:heartbeat:<id> STRING  Beat              ISO 8601 UTC, ms; deleted by going offline or a clean close
//	mitras:available     ZSET    mirror.lua, Beat  index of the count; score: last heartbeat, Unix ms
//	mitras:waiting       ZSET    mirror.lua        index of candidates: available with a live socket; score: since when
//	mitras:sockets       HASH    sockets_*.lua     id -> epoch of the live socket, a space, the instance that holds it
//	mitras:version       HASH    mirror.lua        id -> version that the mirror holds
//	availability:snapshot STRING recount.lua       {"available": n, "at": ms}
//	mirror:epoch         STRING  finish_seed.lua   missing: not seeded
//	mirror:reseeded      STRING  NoteReseed        when the last reseed began, Unix ms
//	mirror:probe         STRING  Pulse             nothing: a Valkey that takes no writes is not well
//	lease:<name>         STRING  lease.lua         owner
//	instance:<id>, instances     instances.go      who runs, and the index of them
//
// Anybody may have put anything under any of them: readers take what they cannot read for nothing, and the reseed (mend.go) makes
// good what is not as Postgres and the instances have it.
package valkey
