//go:build !linux

package epoll

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Read is for non-blocking descriptors.
func Read(fd int, b []byte) (int, error) { return unix.Read(fd, b) }

// Write is for non-blocking descriptors.
func Write(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

// Accept takes a connection from a non-blocking listener; its descriptor is non-blocking, too.
func Accept(listener int) (int, netip.AddrPort, error) {
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

// WriteAhead writes bytes that others will follow soon.
func WriteAhead(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

func nap() { time.Sleep(napLength) }
