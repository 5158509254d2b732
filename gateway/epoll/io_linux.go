package epoll

import (
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
