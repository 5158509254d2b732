// Package pairing asks for mitras at fixed times, whatever became of those before, and measures what customers and mitras see of it.
//
//	customer ── pairing.request ──► … offers ──► mitras: the first that is free accepts, the others stay silent
//	   ▲ due          │                │            │ accepted
//	   │              └── FirstOffer ──┘            └──── Told ────► customer: the session is active
//	   └── talks, ends the session, and is free for another request
//
// All of them are ordinary sockets. FirstOffer counts from when the request was to leave (an open loop), Told from when the mitra
// accepted.
package pairing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/bench/hist"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Seat is where one person connects to, and as whom.
type Seat struct {
	Target string // host:port
	Token  string
}

// Config is who takes part.
type Config struct {
	Customers, Mitras []Seat
	Package           protocol.UUID // a free one
	Talk              time.Duration // until the customer ends the session
}

// Result is what came of a row of requests.
type Result struct {
	Asked   int
	Skipped int                        // no customer was free: the rate is too high for the crowd
	Paired  int                        // the customer was told of its mitra
	Refused map[protocol.ErrorCode]int // answers that were errors

	FirstOffer hist.Histogram // from when the request was to leave until some mitra has the offer
	Accepted   hist.Histogram // from the accept until its mitra has the answer
	Told       hist.Histogram // from the accept until the customer is told
	Whole      hist.Histogram // from when the request was to leave until the customer is told
}

// Crowd is customers and mitras who are connected. Its methods are for one goroutine.
type Crowd struct {
	cfg    Config
	people []*person
	free   chan *person // customers without a session
	stop   context.CancelFunc
	group  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	trials []*trial
	first  int   // the number of the first of them
	broken error // the first socket that ended by itself
}

// trial is one request.
type trial struct {
	result   *Result
	due      time.Time
	offered  bool
	claimed  bool // a mitra accepts
	accepted time.Time
	told     bool
}

const (
	connecting = 32 // at the same time
	beatEvery  = 10 * time.Second
	settle     = time.Second // until mitras who came online are known everywhere
)

// Gather connects everybody and has the mitras go online.
func Gather(ctx context.Context, cfg Config) (*Crowd, error) {
	ctx, stop := context.WithCancel(ctx)
	c := &Crowd{cfg: cfg, free: make(chan *person, len(cfg.Customers)), stop: stop}
	for i, seat := range append(append([]Seat(nil), cfg.Customers...), cfg.Mitras...) {
		c.people = append(c.people, &person{crowd: c, seat: seat, number: i, mitra: i >= len(cfg.Customers)})
	}
	var group errgroup.Group
	group.SetLimit(connecting)
	for _, p := range c.people {
		group.Go(func() error { return p.connect(ctx) })
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, c.Leave())
	}
	for _, p := range c.people {
		c.group.Go(p.read)
		if p.mitra {
			p.send(protocol.PresenceSet{Mode: protocol.ModeOnline}, asking{})
		} else {
			c.free <- p
		}
	}
	c.group.Go(func() { c.beat(ctx) })
	return c, pause(ctx, settle)
}

// beat keeps everybody connected, and the mitras reachable.
func (c *Crowd) beat(ctx context.Context) {
	for {
		for _, p := range c.people {
			if pause(ctx, beatEvery/time.Duration(len(c.people))) != nil {
				return
			}
			_ = p.socket.Send(protocol.Heartbeat{}.Append(nil, 0)) // read notices a socket that is gone
		}
	}
}

// Ask sends requests at a rate for a while, then waits for what is still to come, patience at most.
func (c *Crowd) Ask(ctx context.Context, perSecond float64, length, patience time.Duration) (Result, error) {
	result := &Result{Refused: map[protocol.ErrorCode]int{}}
	c.mu.Lock()
	c.trials, c.first = nil, c.first+len(c.trials)
	c.mu.Unlock()
	began := time.Now()
	for n := range int(perSecond * length.Seconds()) {
		due := began.Add(time.Duration(float64(n) / perSecond * float64(time.Second)))
		if err := pause(ctx, time.Until(due)); err != nil {
			return Result{}, err
		}
		c.ask(due, result)
	}
	for end := time.Now().Add(patience); c.missing(result) > 0 && time.Now().Before(end); {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return Result{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	result.Asked = len(c.trials)
	last := *result // what comes now is counted nowhere
	return last, c.broken
}

func (c *Crowd) ask(due time.Time, result *Result) {
	var p *person
	select {
	case p = <-c.free:
	default:
		c.mu.Lock()
		result.Skipped++
		c.mu.Unlock()
		return
	}
	c.mu.Lock()
	number := c.first + len(c.trials)
	t := &trial{result: result, due: due}
	c.trials = append(c.trials, t)
	c.mu.Unlock()
	p.ask(number, t)
}

func (c *Crowd) missing(result *Result) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.trials) - result.Paired
}

// Leave ends all connections. The error is a connection that had ended by itself before.
func (c *Crowd) Leave() error {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	c.stop()
	for _, p := range c.people {
		if p.socket != nil {
			p.socket.Cut()
		}
	}
	c.group.Wait()
	return broken
}

func (c *Crowd) breaks(p *person, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = fmt.Errorf("person %d: %w", p.number, err)
	}
}

func (p *person) connect(ctx context.Context) (err error) {
	p.socket, err = client.Dial(ctx, client.Dialing{Target: p.seat.Target, Token: p.seat.Token, Number: p.number})
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
