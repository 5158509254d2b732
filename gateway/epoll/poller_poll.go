//go:build !linux || poll

package epoll

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Events is what a descriptor is ready for, or what one wants to hear of.
type Events uint32

// A descriptor that is broken or that its peer closed is ready for both.
const (
	Readable Events = unix.POLLIN
	Writable Events = unix.POLLOUT

	broken = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL
)

// Event says that the descriptor added under Key is ready.
type Event struct {
	Key    int32
	Events Events
}

// Poller watches descriptors with poll(2): its cost grows with their number, which development does not notice. Add, Modify, Remove,
// Release and Wake may be called from any goroutine, the rest from one.
type Poller struct {
	pipe [2]int // woken through it

	mu      sync.Mutex
	watched map[int32]watch // by descriptor

	waiting []unix.PollFd
	ready   []Event
}

type watch struct {
	key      int32
	interest Events
}

// NewPoller makes a poller that watches nothing.
func NewPoller() (*Poller, error) {
	p := &Poller{watched: make(map[int32]watch)}
	if err := unix.Pipe(p.pipe[:]); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	for _, fd := range p.pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			p.Close()
			return nil, fmt.Errorf("pipe: %w", err)
		}
	}
	return p, nil
}

// Add watches a descriptor.
func (p *Poller) Add(fd int, key int32, interest Events) error {
	p.mu.Lock()
	p.watched[int32(fd)] = watch{key: key, interest: interest}
	p.mu.Unlock()
	p.Wake()
	return nil
}

// Modify changes what is watched for.
func (p *Poller) Modify(fd int, key int32, interest Events) error { return p.Add(fd, key, interest) }

// Remove stops watching a descriptor that stays open.
func (p *Poller) Remove(fd int) error {
	p.mu.Lock()
	delete(p.watched, int32(fd))
	p.mu.Unlock()
	return nil
}

// Release closes a watched descriptor.
func (p *Poller) Release(fd int) error {
	p.Remove(fd)
	return unix.Close(fd)
}

// Wait waits at most so long (negative: for ever) and gives what is ready, until the next Wait. Woken or interrupted, it
// may give nothing early. There is no way to keep the processor here.
func (p *Poller) Wait(timeout time.Duration, _ bool) ([]Event, error) {
	p.waiting = append(p.waiting[:0], unix.PollFd{Fd: int32(p.pipe[0]), Events: unix.POLLIN})
	p.mu.Lock()
	for fd, w := range p.watched {
		p.waiting = append(p.waiting, unix.PollFd{Fd: fd, Events: int16(w.interest)})
	}
	p.mu.Unlock()
	if _, err := unix.Poll(p.waiting, milliseconds(timeout)); err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil, nil
		}
		return nil, fmt.Errorf("poll: %w", err)
	}
	if p.waiting[0].Revents != 0 {
		p.drainWake()
	}
	p.ready = p.ready[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiting[1:] {
		events := Events(w.Revents) & (Readable | Writable)
		if w.Revents&broken != 0 {
			events = Readable | Writable
		}
		if watch, ok := p.watched[w.Fd]; ok && events != 0 {
			p.ready = append(p.ready, Event{Key: watch.key, Events: events})
		}
	}
	return p.ready, nil
}

// Wake ends the current Wait, or the next one.
func (p *Poller) Wake() {
	unix.Write(p.pipe[1], []byte{1}) // fails only when it is full, and then it is readable anyway
}

func (p *Poller) drainWake() {
	var bytes [64]byte
	for {
		if n, err := unix.Read(p.pipe[0], bytes[:]); n < len(bytes) || err != nil {
			return
		}
	}
}

// Close releases the poller's own descriptors.
func (p *Poller) Close() error {
	return errors.Join(unix.Close(p.pipe[0]), unix.Close(p.pipe[1]))
}
