//go:build !linux

package epoll

import "golang.org/x/sys/unix"

// Read is for non-blocking descriptors.
func Read(fd int, b []byte) (int, error) { return unix.Read(fd, b) }

// Write is for non-blocking descriptors.
func Write(fd int, b []byte) (int, error) { return unix.Write(fd, b) }
