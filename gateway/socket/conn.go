package socket

import (
	"net/netip"
	"time"
)

// Conn is one WebSocket connection. Its methods may be called from any goroutine, at any time, and never block; after
// the connection's end they do nothing.
type Conn struct{ state any }

// State is the verdict's State: the gateway's own part of the connection, fixed before Open.
func (c *Conn) State() any { return c.state }

// Loop is the number of the connection's loop, fixed.
func (c *Conn) Loop() int { panic("not built yet") }

// Remote is the peer's address: a proxy's, if there is one before us.
func (c *Conn) Remote() netip.AddrPort { panic("not built yet") }

// Send sends msg as one binary message, after all that was sent before. The bytes are written or copied before it
// returns. A peer that does not read is closed with 4201 once more than OutboundQueueBytes wait for it.
func (c *Conn) Send(msg []byte) { panic("not built yet") }

// SendLatest sends a frame of which only the newest counts: while one waits for a slow reader, a newer one takes its place.
func (c *Conn) SendLatest(frame *SharedFrame) { panic("not built yet") }

// Close sends a close frame behind all that was sent before, and cuts the connection when the peer has not answered it within
// CloseTimeout. Closed is called from the loop, soon, and never from within Close.
func (c *Conn) Close(code uint16, reason string) { panic("not built yet") }

// SetDeadline sets the one deadline of the application: Handler.Deadline is called then, once, within about a tenth of a
// second; a later call takes its place, the zero time takes it away.
func (c *Conn) SetDeadline(t time.Time) { panic("not built yet") }

// SharedFrame is one binary message, encoded once for many connections.
type SharedFrame struct{ bytes []byte }

// Share encodes a message for SendLatest. It copies msg.
func Share(msg []byte) *SharedFrame { panic("not built yet") }
