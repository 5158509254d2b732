// Package bus carries events and the available count between instances over Valkey's pub/sub, at most once: whoever needs every
// event reads the outbox too.
//
//	events:<n>     64 channels; an event goes to the one of its addressee (core.Channel)
//	availability   {"available": n, "at": Unix ms}
//
// Their names have the key prefix in front, without its braces. On a cluster that spreads them over the shards: publishing is SPUBLISH,
// and each channel is a subscription of its own to the master of its slot. One more, mirror:watch with the braces, is in the mirror's own slot:
// nobody publishes on it, but it is lost when that shard fails over, and with it perhaps the last writes to the mirror.
//
// A subscription's life, on a cluster one a channel, else one for all:
//
//	asked ──confirmed──► listening ──connection lost, or the slot moved──► (a pause) ──► asked
//
// The instance is Live while all are listening. When the last of those that were lost is back, the Receiver is told.
package bus
