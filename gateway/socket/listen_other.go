//go:build !linux

package socket

import (
	"golang.org/x/sys/unix"
)

// mayShare: elsewhere the newest listener of a shared port may get all of its connections, so there is one, and one loop.
const mayShare = false

func setUserTimeout(int) error { return nil }

func accept(listener int) (int, unix.Sockaddr, error) {
	fd, sa, err := unix.Accept(listener)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, sa, nil
}
