package socket

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
	"unsafe"

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

// accept takes a connection without blocking. It goes past unix.Accept4, which allocates the address twice and tells the scheduler
// of a call that never waits.
func accept(listener int) (int, netip.AddrPort, error) {
	var from unix.RawSockaddrInet6 // longer than an IPv4 address
	length := uint32(unsafe.Sizeof(from))
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&from)),
		uintptr(unsafe.Pointer(&length)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(fd), addrPort(&from), nil
}

func addrPort(from *unix.RawSockaddrInet6) netip.AddrPort {
	var ip netip.Addr
	switch from.Family {
	case unix.AF_INET:
		ip = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(from)).Addr)
	case unix.AF_INET6:
		ip = netip.AddrFrom16(from.Addr).Unmap()
	}
	port := (*[2]byte)(unsafe.Pointer(&from.Port)) // in the network's order
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port[:]))
}

// announce writes bytes that others will follow soon: the kernel keeps them back for these, for 0.2 s at most. It tells how
// many it took.
func announce(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_MORE|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
