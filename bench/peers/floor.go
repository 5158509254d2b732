package main

import (
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

const (
	floorBuffer = 64 << 10
	floorFiles  = 1 << 17
	floorBusyMS = 5  // of one wait that holds on to the processor
	floorQuiet  = 20 // such waits on end that brought nothing
)

// floorLoop is one epoll instance with its own listener. A connection is a byte in a table.
type floorLoop struct {
	all      []*floorLoop
	listener int
	epoll    int
	wake     int // eventfd: somebody wants a broadcast
	phase    []byte
	top      int            // the highest descriptor so far
	partial  map[int][]byte // what is left of a message that is not whole
	buffer   []byte
	out      []byte

	mu      sync.Mutex
	pending [][]byte // frames for everybody
}

// The phases of a connection.
const (
	floorHead = iota + 1
	floorOpen
)

// serveFloor is the least that a server in Go can do: what the gateway is compared with.
func serveFloor(addr string, count int) error {
	// A loop that holds on to its processor while it waits would else leave none for the other.
	runtime.GOMAXPROCS(runtime.NumCPU() + count)
	loops := make([]*floorLoop, count)
	errs := make(chan error)
	for i := range loops {
		l := &floorLoop{
			all: loops, phase: make([]byte, floorFiles), partial: map[int][]byte{},
			buffer: make([]byte, floorBuffer), out: make([]byte, 0, floorBuffer),
		}
		if err := l.listen(addr); err != nil {
			return err
		}
		loops[i] = l
	}
	for _, l := range loops {
		go func() { errs <- l.run() }()
	}
	return <-errs
}

func (l *floorLoop) listen(addr string) (err error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	if l.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	if l.epoll, err = unix.EpollCreate1(0); err != nil {
		return err
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK); err != nil {
		return err
	}
	return errors.Join(
		unix.SetsockoptInt(l.listener, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.SetsockoptInt(l.listener, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(l.listener, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1),
		unix.Bind(l.listener, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
		unix.Listen(l.listener, 4096),
		l.watch(l.listener), l.watch(l.wake),
	)
}

func (l *floorLoop) watch(fd int) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *floorLoop) run() error {
	var events [256]unix.EpollEvent
	quiet := 0
	for {
		n, err := l.wait(events[:], quiet < floorQuiet)
		if err != nil && err != unix.EINTR {
			return err
		}
		if quiet++; n > 0 {
			quiet = 0
		}
		for _, event := range events[:max(n, 0)] {
			switch fd := int(event.Fd); fd {
			case l.listener:
				l.accept()
			case l.wake:
				l.broadcast()
			default:
				l.read(fd)
			}
		}
	}
}

// wait does not hand the processor over while there is something to do every few milliseconds.
func (l *floorLoop) wait(events []unix.EpollEvent, busy bool) (int, error) {
	if !busy {
		return unix.EpollWait(l.epoll, events, -1)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), floorBusyMS, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (l *floorLoop) accept() {
	for range 64 {
		fd, err := epoll.Accept(l.listener)
		if err != nil {
			return
		}
		if fd >= len(l.phase) || l.watch(fd) != nil {
			unix.Close(fd)
			continue
		}
		l.phase[fd], l.top = floorHead, max(l.top, fd)
		l.read(fd) // the request came with it
	}
}

func (l *floorLoop) read(fd int) {
	kept := copy(l.buffer, l.partial[fd])
	n, err := epoll.Read(fd, l.buffer[kept:])
	if err == unix.EAGAIN {
		return
	}
	if err != nil || n == 0 {
		l.close(fd)
		return
	}
	data := l.buffer[:kept+n]
	l.out = l.out[:0]
	if l.phase[fd] == floorHead {
		response, rest := upgrade(l.out, data)
		if response != nil {
			l.phase[fd], l.out = floorOpen, response
		}
		data = rest
	}
	for l.phase[fd] == floorOpen {
		opcode, payload, rest, whole := cutFrame(data)
		if !whole {
			break
		}
		data = rest
		if opcode == opClose {
			l.close(fd)
			return
		}
		l.frame(opcode, payload)
	}
	if len(data) > 0 {
		l.partial[fd] = append([]byte{}, data...)
	} else if kept > 0 {
		delete(l.partial, fd)
	}
	if len(l.out) > 0 {
		epoll.Write(fd, l.out) // a slow reader loses it
	}
}

func (l *floorLoop) frame(opcode byte, payload []byte) {
	switch {
	case opcode == opPing:
		l.out = appendFrame(l.out, opPong, payload)
	case opcode != opBinary || len(payload) == 0:
	case payload[0] == wantsAnswer:
		l.out = appendFrame(l.out, opBinary, payload[:answerBytes])
	case payload[0] == wantsBroadcast:
		frame := appendFrame(nil, opBinary, payload[:eventBytes])
		for _, other := range l.all {
			other.mu.Lock()
			other.pending = append(other.pending, frame)
			other.mu.Unlock()
			unix.Write(other.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}
}

func (l *floorLoop) broadcast() {
	var count [8]byte
	unix.Read(l.wake, count[:])
	l.mu.Lock()
	frames := l.pending
	l.pending = nil
	l.mu.Unlock()
	for _, frame := range frames {
		for fd := range l.top + 1 {
			if l.phase[fd] == floorOpen {
				epoll.Write(fd, frame)
			}
		}
	}
}

func (l *floorLoop) close(fd int) {
	l.phase[fd] = 0
	delete(l.partial, fd)
	unix.Close(fd)
}
