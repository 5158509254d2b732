package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/halobestie/bestie-gateway/bench/kernel"
)

// phase is how far a connection is.
type phase uint8

const (
	closed phase = iota
	connecting
	upgrading
	greeting // 101 came, the server's first message has not
	open
)

// conn is one socket.
type conn struct {
	fd        int32
	phase     phase
	subscribe bool
	began     time.Duration // of the attempt to connect
	token     string
	rest      []byte          // of a message that is not whole
	due       []time.Duration // when unanswered requests were to leave
}

const (
	// socketsPerSource is how many sockets share a source address: connect() becomes slow long before a source runs out of
	// ports.
	socketsPerSource = 8000
	bufferBytes      = 64 << 10
	pingBytes        = 125
)

// swarm is a worker's sockets and their one loop. Only its own goroutine uses it.
type swarm struct {
	setup    Setup
	targets  []unix.SockaddrInet4
	epoll    int
	conns    []conn // socket n is conns[n/workers] of worker n%workers
	opened   int
	buffer   []byte
	tokens   map[string][]string // by file
	frames   struct{ hello, subscribe, request, oneWay, ping, state []byte }
	triggers [][]byte
	fired    int // triggers, over all tasks
	job      *job
}

func newSwarm(setup Setup) (*swarm, error) {
	s := &swarm{setup: setup, buffer: make([]byte, bufferBytes), tokens: map[string][]string{}}
	for _, target := range setup.Targets {
		address, err := netip.ParseAddrPort(target)
		if err != nil || !address.Addr().Is4() {
			return nil, fmt.Errorf("load: target %q must be an IPv4 address and a port", target)
		}
		s.targets = append(s.targets, unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()})
	}
	s.conns = make([]conn, (setup.Sockets-setup.Worker+setup.Workers-1)/setup.Workers)
	d := setup.Dialect
	if d.Hello != nil {
		s.frames.hello = clientFrame(opBinary, d.Hello)
	}
	if d.Subscribe != nil {
		s.frames.subscribe = clientFrame(opBinary, d.Subscribe)
	}
	s.frames.request, s.frames.oneWay = clientFrame(opBinary, d.Request), clientFrame(opBinary, d.OneWay)
	s.frames.state = clientFrame(opBinary, d.State)
	s.frames.ping = clientFrame(opPing, bytes.Repeat([]byte{'p'}, pingBytes))
	for _, trigger := range d.Triggers {
		s.triggers = append(s.triggers, clientFrame(opBinary, trigger))
	}
	var err error
	s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return s, err
}

// number is a connection's among all workers'.
func (s *swarm) number(i int) int { return i*s.setup.Workers + s.setup.Worker }

// mine maps a range to connections of this worker.
func (s *swarm) mine(r Range) (from, to int) {
	local := func(number int) int {
		return min(max((number-s.setup.Worker+s.setup.Workers-1)/s.setup.Workers, 0), len(s.conns))
	}
	return local(r.From), local(r.To)
}

// tokenFile reads a file of tokens once.
func (s *swarm) tokenFile(name string) ([]string, error) {
	if lines := s.tokens[name]; lines != nil {
		return lines, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	s.tokens[name] = strings.Fields(string(text))
	return s.tokens[name], nil
}

// connect begins one attempt.
func (s *swarm) connect(i int, now time.Duration) error {
	c := &s.conns[i]
	number := s.number(i)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("load: socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	target := &s.targets[number%len(s.targets)]
	if target.Addr[0] == 127 {
		source := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + number/socketsPerSource%250)}}
		if err := unix.Bind(fd, &source); err != nil {
			unix.Close(fd)
			return fmt.Errorf("load: bind: %w", err)
		}
	}
	*c = conn{fd: int32(fd), phase: connecting, subscribe: c.subscribe, began: now, token: c.token, due: c.due[:0]}
	switch err := unix.Connect(fd, target); err {
	case nil, unix.EINPROGRESS:
	default:
		unix.Close(fd)
		c.phase = closed
		return nil // tried again, as any failure
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(i)}
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

// connected sends the request.
func (s *swarm) connected(i int) {
	c := &s.conns[i]
	if failure, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil || failure != 0 {
		s.gone(i, noStatus)
		return
	}
	// Level-triggered from here on: what a read leaves is seen again.
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
	_ = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, int(c.fd), &event)
	c.phase = upgrading
	host := s.setup.Targets[s.number(i)%len(s.targets)]
	s.write(i, upgradeRequest(s.setup.Dialect, host, c.token))
}

// write sends a frame whole. false: the socket takes none now.
func (s *swarm) write(i int, frame []byte) bool {
	n, err := unix.Write(int(s.conns[i].fd), frame)
	if err == unix.EAGAIN {
		return false
	}
	if err != nil || n < len(frame) { // a part of a frame cannot be taken back
		s.gone(i, noStatus)
		return false
	}
	return true
}

// cut ends a connection at once and leaves no port in TIME_WAIT.
func (s *swarm) cut(i int) {
	c := &s.conns[i]
	if c.phase == closed {
		return
	}
	if c.phase == open {
		s.opened--
	}
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(int(c.fd))
	c.phase, c.rest, c.due = closed, nil, c.due[:0]
}

// gone is a connection that the server, or an error, ended.
func (s *swarm) gone(i int, code uint16) {
	before := s.conns[i].phase
	s.cut(i)
	if before == open {
		s.job.report.lost(code, 1)
	} else if before != closed {
		s.job.failed(i)
	}
}

// poll waits and handles what came.
func (s *swarm) poll(events []unix.EpollEvent, wait time.Duration) error {
	timeout := unix.NsecToTimespec(int64(max(wait, 0)))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("load: epoll_pwait2: %w", errno)
	}
	for _, event := range events[:n] {
		i := int(event.Fd)
		switch s.conns[i].phase {
		case closed:
		case connecting:
			s.connected(i)
		default:
			s.read(i)
		}
	}
	return nil
}

func (s *swarm) read(i int) {
	c := &s.conns[i]
	n, err := unix.Read(int(c.fd), s.buffer[len(c.rest):])
	if err == unix.EAGAIN {
		return
	}
	if err != nil || n == 0 {
		s.gone(i, noStatus)
		return
	}
	copy(s.buffer, c.rest)
	data := s.buffer[:len(c.rest)+n]
	now := kernel.Now()
	if c.phase == upgrading {
		status, rest := response(data)
		if status != 0 && status != 101 {
			s.gone(i, noStatus)
			return
		}
		if status == 101 {
			s.upgraded(i, now)
		}
		data = rest
	}
	for c.phase == greeting || c.phase == open {
		opcode, payload, rest, whole := serverFrame(data)
		if !whole {
			break
		}
		data = rest
		s.frame(i, opcode, payload, now)
	}
	if c.phase != closed {
		c.rest = append(c.rest[:0], data...)
	}
}

func (s *swarm) upgraded(i int, now time.Duration) {
	s.conns[i].phase = greeting
	if s.frames.hello != nil {
		s.write(i, s.frames.hello)
	}
	if !s.setup.Dialect.Greeted {
		s.ready(i, now)
	}
}

// ready is a connection that is open.
func (s *swarm) ready(i int, now time.Duration) {
	c := &s.conns[i]
	if c.phase != greeting {
		return
	}
	c.phase = open
	s.opened++
	s.job.ready(i, now)
	if c.subscribe && s.frames.subscribe != nil {
		s.write(i, s.frames.subscribe)
	}
}

func (s *swarm) frame(i int, opcode byte, payload []byte, now time.Duration) {
	switch opcode {
	case opPing:
		s.write(i, clientFrame(opPong, payload))
	case opPong:
	case opClose:
		s.gone(i, closeCode(payload))
	default:
		if !s.setup.Dialect.Delimited {
			s.message(i, payload, now)
			return
		}
		for len(payload) > 0 {
			var message []byte
			message, payload = piece(payload)
			s.message(i, message, now)
		}
	}
}

func (s *swarm) message(i int, message []byte, now time.Duration) {
	c := &s.conns[i]
	switch d := &s.setup.Dialect; {
	case c.phase == greeting:
		s.ready(i, now)
	case len(d.Event) > 0 && bytes.HasPrefix(message, d.Event):
		s.job.event(now)
	case bytes.HasPrefix(message, d.Answer) && len(c.due) > 0:
		s.job.answered(c.due[0], now)
		c.due = append(c.due[:0], c.due[1:]...)
	default:
		s.job.told++ // a state: nothing else is asked for
	}
}

// ask sends a request that was to leave at a time.
func (s *swarm) ask(i int, due time.Duration) bool {
	if !s.write(i, s.frames.request) {
		return false
	}
	c := &s.conns[i]
	c.due = append(c.due, due)
	return true
}

// listen changes whether a connection is read.
func (s *swarm) listen(i int, on bool) {
	c := &s.conns[i]
	if c.phase == closed {
		return
	}
	event := unix.EpollEvent{Fd: int32(i)}
	if on {
		event.Events = unix.EPOLLIN
	}
	_ = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, int(c.fd), &event)
}

func (s *swarm) close() {
	for i := range s.conns {
		s.cut(i)
	}
	unix.Close(s.epoll)
}
