package socket

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// handovers is how many connections may wait for net/http to take them.
const handovers = 1024

// handedOver is a connection that is no socket, with the bytes that were read from it.
type handedOver struct {
	fd   int
	head []byte
}

// httpListener is the net.Listener of what the loops hand over.
type httpListener struct {
	addr  net.Addr
	queue chan handedOver // closed by Close, under mu

	mu     sync.Mutex
	closed bool
}

func newHTTPListener(addr net.Addr) *httpListener {
	return &httpListener{addr: addr, queue: make(chan handedOver, handovers)}
}

// offer passes a connection on; false when nobody takes it. It never blocks.
func (h *httpListener) offer(conn handedOver) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	select {
	case h.queue <- conn:
		return true
	default:
		return false
	}
}

// Accept waits for the next connection.
func (h *httpListener) Accept() (net.Conn, error) {
	for conn := range h.queue {
		if c, err := conn.netConn(); err == nil {
			return c, nil
		} // else the peer is gone, or files have run out: not this listener's end
	}
	return nil, net.ErrClosed
}

// Close ends Accept and closes what nobody accepted.
func (h *httpListener) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	close(h.queue)
	for conn := range h.queue {
		unix.Close(conn.fd)
	}
	return nil
}

// Addr is the address of the public port.
func (h *httpListener) Addr() net.Addr { return h.addr }

// netConn makes a net.Conn of the descriptor.
func (h handedOver) netConn() (net.Conn, error) {
	file := os.NewFile(uintptr(h.fd), "")
	defer file.Close() // FileConn duplicates it
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("hand over: %w", err)
	}
	return &replayed{Conn: conn, head: h.head}, nil
}

// replayed is a net.Conn that begins with bytes read before.
type replayed struct {
	net.Conn
	head []byte
}

// Read gives the bytes read before, then the connection's.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.head)
	if r.head = r.head[n:]; len(r.head) == 0 {
		r.head = nil
	}
	return n, nil
}

// handOver gives a connection to HTTP with what it sent so far.
func (l *loop) handOver(c *Conn, data []byte) {
	l.Poller().Remove(int(c.fd))
	if l.server.http.offer(handedOver{fd: int(c.fd), head: bytes.Clone(data)}) {
		l.stats.handedOver.Add(1)
	} else {
		l.stats.shed.Add(1)
		unix.Close(int(c.fd))
	}
	c.mu.Lock()
	c.fd = -1
	c.mu.Unlock()
	c.in = nil
	c.phase = phaseGone
	l.forget(c)
}

// Adopt takes over an upgrade that arrived inside net/http (a proxy may reuse a connection that carried REST): conn and
// buffered are what http.Hijacker gave. It is checked and answered like any other upgrade. conn is closed in any case:
// the loop has a descriptor of its own.
func (s *Server) Adopt(conn net.Conn, r *http.Request, buffered []byte) error {
	defer conn.Close()
	head := headOf(r)
	behind := bytes.Clone(buffered)
	if handed, ok := conn.(*replayed); ok {
		behind = append(behind, handed.head...)
		conn = handed.Conn
	}
	fd, err := duplicate(conn)
	if err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	l := s.loops[s.adopted.Add(1)%uint64(len(s.loops))]
	if !l.Post(func() { l.adopt(fd, head, behind) }) {
		unix.Close(fd)
		return fmt.Errorf("adopt: %w", net.ErrClosed)
	}
	return nil
}

func (l *loop) adopt(fd int, head, behind []byte) {
	c := l.admit(fd)
	if c == nil {
		return
	}
	defer l.recovered(c)
	refused := l.request.parse(head)
	if refused == nil && !l.request.wantsSocket() {
		refused = &refusal{status: http.StatusUpgradeRequired, code: badField.code, message: "this is a WebSocket"}
	}
	l.judge(c, refused, behind)
}

// headOf writes a request's head again, so that an adopted upgrade passes through the same checks as any other.
func headOf(r *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/%d.%d\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.ProtoMajor, r.ProtoMinor, r.Host)
	if len(r.TransferEncoding) > 0 {
		b.WriteString("Transfer-Encoding: chunked\r\n")
	}
	r.Header.Write(&b) // to a buffer: it cannot fail
	b.WriteString("\r\n")
	return b.Bytes()
}

// duplicate gives a descriptor of our own for a TCP connection.
func duplicate(conn net.Conn) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, fmt.Errorf("a %T is no TCP connection", conn)
	}
	var raw syscall.RawConn
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}
