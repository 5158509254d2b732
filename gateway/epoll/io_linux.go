package epoll

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read and Write are for non-blocking descriptors: as the call cannot block, the scheduler is not told of it. Else its monitor takes
// the processor away from a call that lasts over 20 µs, as one does whose thread is interrupted on a busy machine, and then looks
// closely for a while: at 1,000 heartbeats a second 10 % of their cost.
func Read(fd int, b []byte) (int, error) { return raw(unix.SYS_READ, fd, b) }

// Write is Read's opposite.
func Write(fd int, b []byte) (int, error) { return raw(unix.SYS_WRITE, fd, b) }

func raw(call uintptr, fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Accept takes a connection from a non-blocking listener; its descriptor is non-blocking, too. unix.Accept4 would ask for the
// address, which nobody wants to know, and allocate it twice.
func Accept(listener int) (int, error) {
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// WriteAhead writes bytes that others will follow soon: the kernel keeps them back for these, for 0.2 s at most.
func WriteAhead(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_MORE|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// nap sleeps and keeps its processor, up to the next signal: by a timer of the scheduler's it costs a fifth more.
func nap() {
	length := unix.NsecToTimespec(int64(napLength / time.Nanosecond))
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&length)), 0, 0)
}
