//go:build linux && !poll

package epoll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events is what a descriptor is ready for, or what one wants to hear of.
type Events uint32

// A descriptor that is broken or that its peer closed is ready for both.
const (
	Readable Events = unix.EPOLLIN
	Writable Events = unix.EPOLLOUT

	broken = unix.EPOLLERR | unix.EPOLLHUP | unix.EPOLLRDHUP
)

// Event says that the descriptor added under Key is ready.
type Event struct {
	Key    int32
	Events Events
}

// batch is how many events one wait brings at most: a turn of a full batch of small messages takes about 2 ms.
const batch = 256

// wakeKey is the eventfd's own.
const wakeKey = -1

// Poller watches descriptors. Add, Modify, Remove, Release and Wake may be called from any goroutine, the rest from one.
type Poller struct {
	fd     int
	wake   int // eventfd
	kernel [batch]unix.EpollEvent
	ready  [batch]Event
}

// NewPoller makes a poller that watches nothing.
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &Poller{fd: fd, wake: wake}
	if err := p.Add(wake, wakeKey, Readable); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Add watches a descriptor.
func (p *Poller) Add(fd int, key int32, interest Events) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, key, interest)
}

// Modify changes what is watched for.
func (p *Poller) Modify(fd int, key int32, interest Events) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, key, interest)
}

// Remove stops watching a descriptor that stays open.
func (p *Poller) Remove(fd int) error {
	return p.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

// Release closes a watched descriptor. The kernel forgets it by itself.
func (p *Poller) Release(fd int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 { // a socket's does not block: see Read
		return errno
	}
	return nil
}

func (p *Poller) control(op, fd int, key int32, interest Events) error {
	event := unix.EpollEvent{Events: uint32(interest), Fd: key}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("epoll_ctl: %w", errno)
	}
	return nil
}

// Wait waits at most so long (negative: for ever) and gives what is ready, until the next Wait. Woken or interrupted, it
// may give nothing early. With keep, the wait holds on to its processor (GOMAXPROCS counts it as busy), which spares the
// scheduler's two hand-overs a wake-up.
func (p *Poller) Wait(timeout time.Duration, keep bool) ([]Event, error) {
	n, err := p.wait(milliseconds(timeout), keep)
	if err != nil {
		return nil, err
	}
	ready := p.ready[:0]
	for i := range p.kernel[:n] {
		event := &p.kernel[i]
		if event.Fd == wakeKey {
			p.drainWake()
			continue
		}
		events := Events(event.Events) & (Readable | Writable)
		if event.Events&broken != 0 {
			events = Readable | Writable
		}
		ready = append(ready, Event{Key: event.Fd, Events: events})
	}
	return ready, nil
}

func (p *Poller) wait(ms int, keep bool) (int, error) {
	var n int
	var err error
	if keep {
		// epoll_pwait, since epoll_wait is not everywhere; the kernel ignores the size of an absent signal mask.
		r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.kernel[0])), batch, uintptr(ms), 0, 0)
		if n = int(r); errno != 0 {
			err = errno
		}
	} else {
		n, err = unix.EpollWait(p.fd, p.kernel[:], ms)
	}
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("epoll_wait: %w", err)
	}
	return n, nil
}

// Wake ends the current Wait, or the next one.
func (p *Poller) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	Write(p.wake, one[:]) // fails only when it is full, and then it is readable anyway
}

func (p *Poller) drainWake() {
	var count [8]byte
	Read(p.wake, count[:])
}

// Close releases the poller's own descriptors.
func (p *Poller) Close() error {
	return errors.Join(unix.Close(p.wake), unix.Close(p.fd))
}
