package fault

import (
	"context"
	"net"
	"sync"
	"time"
)

// link is one connection: a client's, and ours to the target for it.
type link struct {
	proxy  *Proxy
	client net.Conn
	ctx    context.Context // ends with the link
	cancel context.CancelFunc

	mu     sync.Mutex
	server net.Conn // nil until it is up
	over   bool
}

// piece is what one read brought.
type piece struct {
	data []byte
	at   time.Time
}

// attach notes the connection to the target; false: the link is over already.
func (l *link) attach(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		server.Close()
		return false
	}
	l.server = server
	return true
}

// cut resets both connections. Once is enough.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	l.cancel()
	reset(l.client)
	if l.server != nil {
		reset(l.server)
	}
}

// reset closes a connection in such a way that its other side sees an error and not an end.
func reset(conn net.Conn) {
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// pump carries one direction until either side ends or the link is cut, and then cuts it.
func (l *link) pump(from, to net.Conn, answers bool) {
	defer l.cut()
	queue := make(chan piece, queued)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer l.cut() // before the wait: it ends the read
	reader.Go(func() {
		defer close(queue)
		for {
			buf := make([]byte, pieceSize)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case queue <- piece{buf[:n], time.Now()}:
				case <-l.ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range queue {
		mode, ok := l.open(answers)
		if !ok || mode.LoseAnswers && answers || !l.wait(p, mode) {
			return
		}
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
	l.open(answers) // an end, too, arrives only over an open line
}

// open waits until the direction is not silent, and gives the mode; false: the link is over.
func (l *link) open(answers bool) (Mode, bool) {
	for {
		mode, changed := l.proxy.now()
		if answers && !mode.SilenceAnswers || !answers && !mode.SilenceRequests {
			return mode, true
		}
		select {
		case <-changed:
		case <-l.ctx.Done():
			return mode, false
		}
	}
}

// wait keeps a piece for its delay and for its share of the rate; false: the link is over.
func (l *link) wait(p piece, mode Mode) bool {
	pause := time.Until(p.at.Add(mode.Delay))
	if mode.BytesPerSecond > 0 {
		pause = max(pause, 0) + time.Duration(len(p.data))*time.Second/time.Duration(mode.BytesPerSecond)
	}
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}
