package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/halobestie/bestie-gateway/protocol"
)

const (
	dialTimeout  = 15 * time.Second
	writeTimeout = 10 * time.Second
	readBuffer   = 1024
	maxMessage   = 1 << 20

	// socketsPerSource is how many sockets share a source address: connect() becomes slow long before a source runs out
	// of ports.
	socketsPerSource = 8000
)

// Dropped is the code of a connection that ended without a close frame.
const Dropped protocol.CloseCode = 1006

// Closed says how the other side ended the connection.
type Closed struct {
	Code   protocol.CloseCode // Dropped: without a close frame
	Reason string
}

// Error is both.
func (c *Closed) Error() string {
	return strings.TrimSpace(fmt.Sprintf("closed %d %s", c.Code, c.Reason))
}

// Refused says that the upgrade was answered with another status than 101.
type Refused struct{ Status int }

// Error is the status.
func (r *Refused) Error() string { return fmt.Sprintf("upgrade refused: %d", r.Status) }

// Dialing says where to connect to.
type Dialing struct {
	Target string // "http://host:port", "ws://host:port" or "host:port"
	Token  string
	// Number counts the caller's sockets: to a loopback target, each 8,000 come from another 127.0.0.x.
	Number int
}

// Socket is one WebSocket to the gateway.
type Socket struct {
	conn   net.Conn
	reader *bufio.Reader

	mu  sync.Mutex // guards what follows, and writing
	out bytes.Buffer
}

// Dial connects and upgrades. *Refused when the gateway wants no more sockets.
func Dial(ctx context.Context, d Dialing) (*Socket, error) {
	base := baseURL(d.Target)
	dialer := ws.Dialer{
		Timeout:        dialTimeout,
		ReadBufferSize: readBuffer,
		Protocols:      []string{protocol.Subprotocol},
		Header:         ws.HandshakeHeaderHTTP(http.Header{"Authorization": {"Bearer " + d.Token}}),
		NetDial:        (&net.Dialer{LocalAddr: source(base, d.Number)}).DialContext,
	}
	conn, reader, _, err := dialer.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+"/ws")
	var status ws.StatusError
	if errors.As(err, &status) {
		return nil, &Refused{Status: int(status)}
	}
	if err != nil {
		return nil, err
	}
	if reader == nil {
		reader = bufio.NewReaderSize(conn, readBuffer)
	}
	return &Socket{conn: conn, reader: reader}, nil
}

// source is the local address of a socket to a loopback target; nil: the kernel's choice.
func source(base string, number int) net.Addr {
	local := strings.Contains(base, "//127.0.0.1") || strings.Contains(base, "//localhost")
	if !local || number < socketsPerSource {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+number/socketsPerSource%250))}
}

// Read gives the next whole message and when it came. Pings are answered on the way. The error is a *Closed.
func (s *Socket) Read() (msg []byte, at time.Time, err error) {
	for {
		header, err := ws.ReadHeader(s.reader)
		if err != nil {
			return nil, time.Now(), s.dropped(err)
		}
		if header.Length > maxMessage-int64(len(msg)) {
			return nil, time.Now(), s.dropped(fmt.Errorf("a message of over %d bytes", maxMessage))
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(s.reader, payload); err != nil {
			return nil, time.Now(), s.dropped(err)
		}
		switch header.OpCode {
		case ws.OpPing:
			s.write(ws.OpPong, payload)
		case ws.OpPong:
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(payload)
			s.write(ws.OpClose, payload)
			s.conn.Close()
			return nil, time.Now(), &Closed{Code: protocol.CloseCode(code), Reason: reason}
		default:
			msg = append(msg, payload...)
			if header.Fin {
				return msg, time.Now(), nil
			}
		}
	}
}

func (s *Socket) dropped(err error) error {
	s.conn.Close()
	return &Closed{Code: Dropped, Reason: err.Error()}
}

// Send sends one binary message.
func (s *Socket) Send(msg []byte) error { return s.write(ws.OpBinary, msg) }

// Leave sends a close frame; the gateway's answer to it ends Read.
func (s *Socket) Leave(code protocol.CloseCode) {
	s.write(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), ""))
}

// Cut ends the connection without a word.
func (s *Socket) Cut() { s.conn.Close() }

// write sends one masked frame.
func (s *Socket) write(op ws.OpCode, payload []byte) error {
	header := ws.Header{Fin: true, OpCode: op, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Reset()
	if err := ws.WriteHeader(&s.out, header); err != nil {
		return err
	}
	from := s.out.Len()
	s.out.Write(payload)
	ws.Cipher(s.out.Bytes()[from:], header.Mask, 0)
	s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.conn.Write(s.out.Bytes())
	return err
}
