package socket

import "time"

// Handler is the gateway's side of the connections. Its methods run in the connection's loop: they must not block, and
// for one connection never run at the same time. No lock is held while they run, so they may call every method of Conn.
type Handler interface {
	// Upgrade decides about a well-formed upgrade: who is it, may it come in? No I/O.
	Upgrade(r *Request) Verdict
	// Open says that the connection is up: 101 is written, c.State() is the verdict's.
	Open(c *Conn)
	// Message brings one whole binary message; msg is valid until Message returns.
	Message(c *Conn, msg []byte)
	// RateLimited is asked for the answer to a message that is over the rate and was not passed to Message: nil for
	// none. Who goes on all the same is closed with 4202.
	RateLimited(c *Conn, msg []byte) []byte
	// Alive says that whole frames, of whatever kind, came in: once a read, before their messages.
	Alive(c *Conn)
	// Deadline says that the time set by SetDeadline has come.
	Deadline(c *Conn)
	// Closed is the last call for a connection, once for each Open: its close frame was sent or received, or it broke.
	// What is left to do (the peer's answer, the descriptor) is the socket's own business.
	Closed(c *Conn, end End)
}

// Verdict is the answer to an upgrade. The zero value lets it in without a subprotocol.
type Verdict struct {
	Refuse     int           // 0, or the HTTP status of a refusal; RefuseCode and RefuseReason make its JSON body
	RefuseCode string        // such as SUBPROTOCOL_REQUIRED
	Reason     string        // a sentence for the app's developer
	RetryAfter time.Duration // with Refuse: about this long, spread, as Retry-After; 0: no such header

	Subprotocol string  // echoed in the response; ""
	State       any     // becomes c.State()
	Greets      bool    // a first message follows soon: 101 may wait for it, 0.2 s at most, and leave in one packet with it
	Reject      *Reject // the upgrade completes and ends with a frame and a close code: no Open, no Closed
}

// Reject is a refusal that an app can read, since browsers and mobile libraries hide the HTTP status of a failed upgrade.
type Reject struct {
	Frame  []byte // one binary message; nil for none
	Code   uint16
	Reason string
}

// End says how a connection ended.
type End struct {
	Code   uint16 // of the first close frame, sent or received; 1006 when it broke without any, 1005 when the peer's had none
	ByPeer bool   // the peer's close frame came first, or its end of the connection broke
	Clean  bool   // the peer's own 1000 or 1001
	Idle   bool   // nothing came for IdleTimeout (our 4200)
}
