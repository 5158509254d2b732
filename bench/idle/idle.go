// Package idle measures what a socket costs that is signed in and does nothing: the slope of the gateway's resident memory
// over thousands of them, which leaves out what the process needs anyway, and whether goroutines grow with them.
//
//	sign in (a customer a socket) ── connect to From sockets, settle, look ── … ── To sockets, settle, look
//
// The sockets beat every 15 s, as an app in a pocket does.
package idle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Options say which gateway to look at. Zero values give the defaults.
type Options struct {
	Target   string        // public address; default http://127.0.0.1:3000
	Internal string        // internal address; default http://127.0.0.1:3001
	PID      int           // of the gateway, on this machine
	From, To int           // sockets; default 2,000 and 15,000
	Settle   time.Duration // before each look; default 3 s
}

func (o Options) withDefaults() Options {
	if o.Target == "" {
		o.Target = "http://127.0.0.1:3000"
	}
	if o.Internal == "" {
		o.Internal = "http://127.0.0.1:3001"
	}
	if o.From == 0 {
		o.From = 2000
	}
	if o.To == 0 {
		o.To = 15000
	}
	if o.Settle == 0 {
		o.Settle = 3 * time.Second
	}
	return o
}

// Point is the gateway with so many sockets.
type Point struct {
	Sockets    int
	Resident   int64 // bytes
	Goroutines int
}

// Result is what was seen at From, half-way, and To.
type Result struct {
	Points []Point
}

func (r Result) first() Point { return r.Points[0] }
func (r Result) last() Point  { return r.Points[len(r.Points)-1] }

// BytesPerSocket is the slope of resident memory.
func (r Result) BytesPerSocket() float64 {
	return float64(r.last().Resident-r.first().Resident) / float64(r.last().Sockets-r.first().Sockets)
}

// GoroutinesGrown is how many goroutines came with the sockets.
func (r Result) GoroutinesGrown() int { return r.last().Goroutines - r.first().Goroutines }

const (
	workers   = 32 // that sign in and connect
	beatEvery = 15 * time.Second
)

// Measure connects, looks, and disconnects. What it sees is written to out as it goes.
func Measure(ctx context.Context, opts Options, out io.Writer) (Result, error) {
	opts = opts.withDefaults()
	if opts.From >= opts.To {
		return Result{}, errors.New("idle: From must be below To")
	}
	api := client.NewAPI(opts.Target, opts.Internal)
	defer api.Close()
	crowd := &crowd{target: opts.Target, api: api, sockets: make([]*client.Socket, opts.To)}
	defer crowd.leave()
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel()
	beating.Go(func() { crowd.beat(ctx) })

	var result Result
	fmt.Fprintf(out, "%10s %14s %12s\n", "sockets", "resident KiB", "goroutines")
	for _, n := range []int{opts.From, (opts.From + opts.To) / 2, opts.To} {
		if err := crowd.grow(ctx, n); err != nil {
			return result, err
		}
		if !pause(ctx, opts.Settle) {
			return result, ctx.Err()
		}
		point, err := look(ctx, api, opts.PID, n)
		if err != nil {
			return result, err
		}
		result.Points = append(result.Points, point)
		fmt.Fprintf(out, "%10d %14d %12d\n", point.Sockets, point.Resident/1024, point.Goroutines)
	}
	fmt.Fprintf(out, "%.0f bytes a socket, %d goroutines more\n", result.BytesPerSocket(), result.GoroutinesGrown())
	return result, nil
}

// look reads the gateway's memory and goroutines.
func look(ctx context.Context, api *client.API, pid, sockets int) (Point, error) {
	resident, err := residentMemory(pid)
	if err != nil {
		return Point{}, err
	}
	metrics, err := api.Metrics(ctx)
	if err != nil {
		return Point{}, fmt.Errorf("read the gateway's metrics: %w", err)
	}
	goroutines, err := sample(metrics, "go_goroutines")
	return Point{sockets, resident, goroutines}, err
}

// residentMemory is a process's VmRSS.
func residentMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("look at the gateway's process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// sample finds a metric without labels.
func sample(metrics, name string) (int, error) {
	for line := range strings.Lines(metrics) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return int(n), err
		}
	}
	return 0, fmt.Errorf("the gateway has no metric %s", name)
}

// crowd is many sockets. Nobody reads them after their welcome: nothing comes.
type crowd struct {
	target string
	api    *client.API

	mu      sync.Mutex
	sockets []*client.Socket
	n       int
}

// grow connects up to n sockets.
func (c *crowd) grow(ctx context.Context, n int) error {
	errs := make([]error, workers)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := c.n + worker; i < n; i += workers {
				if errs[worker] = c.connect(ctx, i); errs[worker] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	c.n = n
	return errors.Join(errs...)
}

// connect signs a customer in and waits for its welcome.
func (c *crowd) connect(ctx context.Context, i int) error {
	account, err := c.api.Anonymous(ctx)
	if err != nil {
		return fmt.Errorf("sign customer %d in: %w", i, err)
	}
	socket, err := client.Dial(ctx, client.Dialing{Target: c.target, Token: account.AccessToken, Number: i})
	if err != nil {
		return fmt.Errorf("connect socket %d: %w", i, err)
	}
	c.mu.Lock()
	c.sockets[i] = socket
	c.mu.Unlock()
	msg, _, err := socket.Read()
	if err != nil {
		return fmt.Errorf("socket %d: %w", i, err)
	}
	if frame, err := protocol.ParseFromServer(msg); err != nil || frame.Kind != protocol.KindWelcome {
		return fmt.Errorf("socket %d was told %s before welcome: %w", i, frame.Kind, err)
	}
	return nil
}

// beat sends each socket's heartbeats, spread over the time between two.
func (c *crowd) beat(ctx context.Context) {
	const slices = 150
	heartbeat := protocol.Heartbeat{}.Append(nil, 0)
	for turn := 0; pause(ctx, beatEvery/slices); turn++ {
		for i := turn % slices; i < len(c.sockets); i += slices {
			c.mu.Lock()
			socket := c.sockets[i]
			c.mu.Unlock()
			if socket != nil {
				_ = socket.Send(heartbeat) // a socket that is gone is noticed by the count of the gateway
			}
		}
	}
}

// leave ends all sockets.
func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, socket := range c.sockets {
		if socket != nil {
			socket.Cut()
		}
	}
}

// pause waits; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
