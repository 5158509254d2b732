//go:build !linux

package epoll

import (
	"time"

	"golang.org/x/sys/unix"
)

// Read is for non-blocking descriptors.
func Read(fd int, b []byte) (int, error) { return unix.Read(fd, b) }

// Write is for non-blocking descriptors.
func Write(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

// Accept takes a connection from a non-blocking listener; its descriptor is non-blocking, too.
func Accept(listener int) (int, error) {
	fd, _, err := unix.Accept(listener)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// WriteAhead writes bytes that others will follow soon.
func WriteAhead(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

func nap() { time.Sleep(napLength) }
