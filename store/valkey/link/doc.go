// Package link is one instance's way to a Valkey (or Redis 7) of whatever shape, and nothing of what is kept there: that is
// package valkey's, and the bus's.
//
//	redis://[user:password@]host[:6379][/db]                         one server, or any node of a cluster
//	redis://node1?addr=node2:6379&addr=node3:6379                    a cluster, found while one of the named nodes lives
//	redis://sentinel1:26379?addr=sentinel2:26379&master_set=name     the master that sentinels know by that name
//	rediss://host:6380?ca_file=/etc/ca.pem                           any of them over TLS
//	unix:///run/valkey.sock                                          a socket of this machine
//
// valkey:// and valkeys:// are the same as redis:// and rediss://. sentinel_username and sentinel_password are for sentinels that ask
// for one of their own; skip_verify trusts any certificate; ca_file names whose signatures are trusted, instead of the machine's
// own list. Certificates are checked for the name of the first host. A cluster is known by its answers, not by its URL.
//
// Every call has at most CallTimeout. Three failures in a row open the breaker: calls then fail at once with presence.ErrDown
// until a Probe, which always looks, finds Valkey well again.
//
//	closed ──3 failures──► open ──Probe answered──► closed
//
// A Valkey that answers and cannot serve (a replica left behind by a fail-over, one without memory, a cluster without the slot's master)
// fails as one that is silent does: what it holds would soon be old.
package link
