// Package local finds, fetches and runs a private Postgres and a private Valkey, so that `bestie dev` and `go test ./...`
// need nothing but Go. It never touches a server, a cluster or a service of the machine's own.
//
// Each store is looked for in this order, and the first that is there wins:
//
//	1 environment   DATABASE_URL, VALKEY_URL: somebody else's server, used as it is (External)
//	2 binaries      on PATH or in the usual folders, run as children on a private directory and port
//	3 Debian        the packages, fetched with apt from the machine's own mirror into a private folder: no root, no /etc/apt
//	4 Docker        when an engine answers
//	5               one line that names the command to type
//
// For Valkey alone redis-server stands between 3 and 4, and in-process miniredis is the last resort, said loudly.
//
// A child lives as the Server that owns it:
//
//	       Postgres, Valkey
//	              │ initdb when the directory is empty
//	              ▼    Pause
//	Start ──► running ◄──────► paused
//	  ▲           │    Resume     │
//	  │      Kill │ ◄─────────────┘
//	  │           ▼
//	  └──── stopped, same port ── Stop ──► gone (and its directory, unless Durable)
//
// Two locks stand on each directory. The owner's says that a Go process means to use it; the children's is inherited by
// every process of the server and so falls when the last of them is gone: whoever holds both may clean up or start anew,
// and a postmaster.pid found then is stale. On Linux children also get a signal when their parent dies, even by kill -9;
// elsewhere the next start on the directory ends what an earlier one left behind.
//
// For tests there are Valkeys of other shapes, always private: a cluster (StartValkeyCluster), a master with a replica under a sentinel
// (StartValkeySentinel), one that speaks TLS (ValkeyTLS).
package local
