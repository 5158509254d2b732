// Package fault stands between a client and a server and spoils what they say to each other, on demand: the proxy of the
// tests that break things.
//
//	client ──► listener ──► reader ─► queue ─► writer ──► target
//	       ◄── writer ◄─ queue ◄─ reader ◄──────────────
//	                │
//	                └ each piece waits until its direction is open, until its delay is over, and for its share of the rate
//
// What is silent is kept and arrives late, as it does after a partition of a real network, where TCP sends it again; nothing
// is made up and nothing is reordered.
package fault

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Mode is what happens to connections from now on, to those that are up as well. The zero value is a good network.
type Mode struct {
	Refuse          bool          // connections are reset, new ones at once
	SilenceRequests bool          // what clients say is kept back
	SilenceAnswers  bool          // what the target says is kept back
	LoseAnswers     bool          // requests arrive, and the answer's first byte resets the connection instead
	Delay           time.Duration // everything arrives so much later, either way
	BytesPerSecond  int           // of a connection, either way; 0: any number
}

// Silence is a network that is cut without a word: connections stay up, nothing arrives.
var Silence = Mode{SilenceRequests: true, SilenceAnswers: true}

// Proxy carries connections to one target. Its methods may be called from any goroutine.
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu      sync.Mutex
	mode    Mode
	changed chan struct{} // closed and replaced whenever mode changes
	links   map[*link]struct{}
	closed  bool
}

// queued is how many pieces of up to pieceSize a direction holds before its sender has to wait.
const (
	queued    = 256
	pieceSize = 32 << 10
)

// Listen makes a proxy to target ("host:port") on a free port of 127.0.0.1.
func Listen(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault: %w", err)
	}
	p := &Proxy{listener: listener, target: target, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where clients connect instead of to the target.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes what happens from now on.
func (p *Proxy) Set(mode Mode) {
	p.mu.Lock()
	p.mode = mode
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if mode.Refuse {
		p.Cut()
	}
}

// Heal makes the network good again.
func (p *Proxy) Heal() { p.Set(Mode{}) }

// Cut resets every connection that is up now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
}

// Close ends everything and waits for it.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) now() (Mode, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.changed
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.carry(client) })
	}
}

// carry is the life of one connection.
func (p *Proxy) carry(client net.Conn) {
	l := &link{proxy: p, client: client}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	defer l.cut()
	if mode, _ := p.now(); mode.Refuse || !p.enter(l) {
		return
	}
	defer p.leave(l)
	server, err := new(net.Dialer).DialContext(l.ctx, "tcp", p.target)
	if err != nil || !l.attach(server) {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(client, server, false) })
	pumps.Go(func() { l.pump(server, client, true) })
	pumps.Wait()
}

func (p *Proxy) enter(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.links[l] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
