//go:build !linux

package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// mayShare: elsewhere the newest listener of a shared port may get all of its connections, so there is one, and one loop.
const mayShare = false

func tune(int) error { return nil }

func accept(listener int) (int, netip.AddrPort, error) {
	fd, sa, err := unix.Accept(listener)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, netip.AddrPort{}, err
	}
	return fd, addrPort(sa), nil
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func announce(fd int, b []byte) (int, error) { return unix.Write(fd, b) }
