package socket

import (
	"time"

	"golang.org/x/sys/unix"
)

// mayShare: the kernel spreads connections over listeners that share a port.
const mayShare = true

func setUserTimeout(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
}

func accept(listener int) (int, unix.Sockaddr, error) {
	return unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
