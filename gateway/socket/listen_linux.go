package socket

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// mayShare: the kernel spreads connections over listeners that share a port.
const mayShare = true

// userTimeout is how long the kernel waits for a peer to acknowledge what we sent, before it calls the connection broken.
const userTimeout = 30 * time.Second

// deferAccept is how many seconds the kernel keeps a connection to itself that has not said anything yet. Nearly every request
// is there when its connection is accepted, which spares a read in vain, an event and a turn.
const deferAccept = 1

// tune sets what only Linux has on a listener.
func tune(fd int) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferAccept),
	)
}
