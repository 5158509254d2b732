package socket

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/epoll"
)

// gather waits for a whole request head and passes it on: to judge, or to HTTP.
func (l *loop) gather(c *Conn, data []byte) {
	to := classify(data, l.server.cfg.Path)
	end := headEnd(data)
	switch whole := end > 0 && end <= maxHead; {
	case to == foreign && (whole || len(data) > maxHead || hopeless(data)):
		l.handOver(c, data)
	case whole:
		l.decide(c, data[:end], data[end:])
	case len(data) > maxHead:
		c.refuse(&refusal{
			status: http.StatusRequestHeaderFieldsTooLarge, code: string(core.TooLarge), message: "the request head is too long",
		}, 0)
	default:
		c.wait(data)
	}
}

// headTimeout ends a connection whose head was not whole in time. Who asked for a socket is told; the others may be anything.
func (c *Conn) headTimeout() {
	if c.in == nil || classify(c.in.rest, c.loop.server.cfg.Path) != ours {
		c.release()
		return
	}
	c.refuse(&refusal{status: http.StatusRequestTimeout, code: string(core.BadMessage), message: "the request head took too long"}, 0)
}

// decide is for a whole head whose request line names our path: what does not ask for a socket is HTTP's after all.
func (l *loop) decide(c *Conn, head, behind []byte) {
	refused := l.request.parse(head)
	if refused == nil && !l.request.wantsSocket() {
		l.handOver(c, head[:len(head)+len(behind)]) // behind lies behind it
		return
	}
	l.judge(c, refused, behind)
}

// judge refuses an upgrade or completes it, and goes on with the bytes that came behind it.
func (l *loop) judge(c *Conn, refused *refusal, behind []byte) {
	if refused == nil {
		refused = l.request.check()
	}
	if refused != nil {
		c.refuse(refused, 0)
		return
	}
	if origin := l.request.Origin(); origin != nil && !l.server.allows(origin) {
		c.refuse(&refusal{status: http.StatusForbidden, code: string(core.Forbidden), message: "this origin is not allowed"}, 0)
		return
	}
	if retryAfter := l.server.full(); retryAfter > 0 {
		c.refuse(&refusal{status: http.StatusServiceUnavailable, code: string(core.Overloaded), message: "no new sockets here now"}, retryAfter)
		return
	}
	v := l.server.handler.Upgrade(&l.request)
	switch {
	case v.Refuse != 0:
		c.refuse(&refusal{status: v.Refuse, code: v.RefuseCode, message: v.Reason}, v.RetryAfter)
	case v.Reject != nil:
		l.accepted(c, v)
		l.stats.rejected.Add(1)
		l.countEnd(v.Reject.Code)
		if v.Reject.Frame != nil {
			c.Send(v.Reject.Frame)
		}
		c.fail(v.Reject.Code, v.Reject.Reason)
	default:
		l.accepted(c, v)
		l.open(c, v, behind)
	}
}

// accepted counts the connection and queues the response, to go out together with the first frames: those of this turn, or with
// Greets those of a later one.
func (l *loop) accepted(c *Conn, v Verdict) {
	c.in = nil
	c.counted = true
	l.server.connections.Add(1)
	key, _ := l.request.find("Sec-WebSocket-Key")
	l.scratch = appendSwitching(l.scratch[:0], key, v.Subprotocol)
	response := l.scratch
	if v.Greets {
		// 6 µs less of the kernel a handshake, and one packet less for the peer.
		n, _ := epoll.WriteAhead(int(c.fd), response) // an error shows again in what follows
		response = response[n:]
	}
	if len(response) > 0 {
		c.cork()
		c.respond(response)
	}
}

func (l *loop) open(c *Conn, v Verdict, behind []byte) {
	l.stats.upgraded.Add(1)
	cfg := &l.server.cfg
	c.state = v.State
	c.phase = phaseOpen
	c.told = false
	c.alive, c.credited = l.Now(), l.Now()
	c.credit = uint32(burst * cfg.FramesPerSecond * messageCost)
	c.limit = 0
	if cfg.MaxAge > 0 {
		// Less a random tenth, so that what connected together does not reconnect together.
		c.limit = l.after(cfg.MaxAge - rand.N(cfg.MaxAge/10+1))
	}
	c.arm()
	l.server.handler.Open(c)
	l.frames(c, behind)
}

// respond sends bytes that are no frames.
func (c *Conn) respond(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(b, ordered)
}

// appendSwitching appends the response that completes an upgrade (RFC 6455, 4.2.2). ws.Upgrader would read the request
// again to write it, and refuses a Connection field of two lines.
func appendSwitching(dst, key []byte, subprotocol string) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	var nonce [64]byte
	sum := sha1.Sum(append(append(nonce[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	if subprotocol != "" {
		dst = append(append(dst, "\r\nSec-WebSocket-Protocol: "...), subprotocol...)
	}
	return append(dst, "\r\n\r\n"...)
}

// refuse answers a request that does not become a socket and ends the connection. retryAfter other than 0 is spread by
// half, so that those who are refused together do not come back together.
func (c *Conn) refuse(r *refusal, retryAfter time.Duration) {
	if r.status == http.StatusServiceUnavailable {
		c.loop.stats.shed.Add(1)
	} else {
		c.loop.stats.refused.Add(1)
	}
	c.respond(r.response(retryAfter))
	c.linger()
}

func (r *refusal) response(retryAfter time.Duration) []byte {
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string]failure{"error": {r.code, r.message}})
	if err != nil {
		panic(err) // two strings
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", r.status, http.StatusText(r.status))
	if r.status == http.StatusUpgradeRequired {
		b.WriteString("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
	}
	if retryAfter > 0 {
		seconds := (retryAfter + rand.N(retryAfter/2+time.Second) + time.Second - 1) / time.Second
		fmt.Fprintf(&b, "Retry-After: %d\r\n", seconds)
	}
	fmt.Fprintf(&b, "Connection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

// allows tells whether a browser may come from the origin.
func (s *Server) allows(origin []byte) bool {
	for _, allowed := range s.cfg.AllowedOrigins {
		if equalFold(origin, allowed) {
			return true
		}
	}
	return false
}

// full tells whether a new socket must stay outside, and for about how long: while draining, at the connection limit, and in a
// storm.
func (s *Server) full() (retryAfter time.Duration) {
	if refusing := time.Duration(s.refusing.Load()); refusing > 0 {
		return refusing
	}
	if s.connections.Load() >= s.limit {
		return fullRetry
	}
	if !s.storm.take(time.Now()) {
		return stormRetry
	}
	return 0
}

const (
	fullRetry  = 10 * time.Second // a full instance: somebody has to leave first
	stormRetry = 2 * time.Second  // the burst of a storm refills within that
)
