// Package socket is the public port: it accepts connections in event loops, turns upgrade requests into WebSocket
// connections (RFC 6455) and hands everything else to net/http. What the messages mean is its Handler's business.
//
// A connection's life, all of it in one loop:
//
//	accept ──► head ─────────► open ─────► closing ─────► linger ──► gone
//	            │  101          │   Close     │  peer's close  ▲  peer hung up, or CloseTimeout
//	            │               └─────────────┼────────────────┤
//	            │                peer's close, protocol error  │
//	            ├── refused: 4xx, 503 ─────────────────────────┘
//	            └── not for us: HTTP() ──► gone (net/http's now)
//
//	head     the request head is gathered: whole, at most 8 KiB, within HandshakeTimeout
//	open     messages both ways; nothing whole for IdleTimeout: 4200
//	closing  our close frame is out; the peer's messages are passed over until its own comes
//	linger   all is said: our side is shut, what still comes is thrown away, until the peer hangs up
//
// Handler.Closed is called when open ends, by whatever way; a broken connection goes to gone from anywhere.
//
// Key invariants:
//
//   - A loop never waits for a connection. It reads once an event into a buffer that all its connections share, parses whole frames
//     only, and keeps the rest for the next time.
//   - An idle connection is one Conn and a 4-byte entry in its loop's wheel: no buffer, no goroutine, no timer.
//   - Anybody may send at any time: the bytes go straight into the kernel under the connection's own lock (what is sent while the loop
//     handles several frames that came together, in one write behind them). What does not fit waits in the connection's bounded
//     outbox until the descriptor is writable again. A slow reader costs its own connection, nobody else's.
//   - Only the loop closes a descriptor, under the lock, so no one can write into another connection that got the same
//     number.
//   - No lock is held while the handler runs.
//
// The files: server.go and loop.go accept and turn, head.go and request.go read a request, upgrade.go answers it, handover.go is the way
// to and from net/http, frame.go is the wire, inbound.go and outbound.go are the two directions, conn.go the connection's life.
package socket
