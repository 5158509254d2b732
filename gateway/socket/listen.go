package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind listens n times on one address, the kernel spreading connections over the listeners. Port 0 is the same free port for
// all.
func bind(addr string, n int) (fds []int, bound *net.TCPAddr, err error) {
	defer func() {
		if err != nil {
			closeAll(fds)
			fds = nil
		}
	}()
	// SO_REUSEPORT would let a second program of the same user share the port unnoticed: the probe, without it, does not.
	if bound, err = probe(addr); err != nil {
		return nil, nil, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	for range n {
		fd, err := listen(net.JoinHostPort(host, strconv.Itoa(bound.Port)), n > 1)
		if err != nil {
			return fds, nil, err
		}
		fds = append(fds, fd)
	}
	return fds, bound, nil
}

func probe(addr string) (*net.TCPAddr, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr), nil
}

// listen gives a listening descriptor. What is set on it, accepted connections inherit.
func listen(addr string, share bool) (int, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if controlErr := raw.Control(func(fd uintptr) { err = prepare(int(fd), share) }); controlErr != nil {
			return controlErr
		}
		return err
	}}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	fd := -1
	if controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); controlErr != nil {
		err = controlErr
	}
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, nil
}

func prepare(fd int, share bool) error {
	if share {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), tune(fd))
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
