package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/bench/kernel"
)

// Target is a server to measure.
type Target struct {
	Name     string
	PID      int
	Targets  []string // host:port
	Dialect  Dialect
	Tokens   string                // file for most sockets; "": none
	Askers   string                // file for the sockets of requests and of triggers; "": the same
	Heap     func() (int64, error) // bytes in use by the process's own account; nil: it has none
	Mallocs  func() (int64, error) // objects allocated since its start, likewise
	TokenGap int                   // 1: the trigger's socket has the first token of Askers to itself
}

// Figure is one number of a measurement.
type Figure struct {
	Key   string  `json:"key"` // scenario/what
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

// Sample is a look at the server's process.
type Sample struct {
	At       time.Duration `json:"at"`
	Resident int64         `json:"resident"`
	CPU      time.Duration `json:"cpu"`
}

// Bench measures one server. It is for one goroutine.
type Bench struct {
	Target  Target
	Sizes   Sizes
	Figures []Figure
	Samples []Sample           // the whole time, for pictures
	Slices  map[string][]Slice // latencies over time, by scenario
	Notes   []string           // what a reader of the figures must know

	out   io.Writer
	crew  *Crew
	began time.Duration
	name  string // of the scenario under way

	mu     sync.Mutex // guards Samples while the sampler runs
	stop   context.CancelFunc
	looked sync.WaitGroup
}

// sampleEvery is how often memory and processor time are read.
const sampleEvery = 100 * time.Millisecond

// NewBench hires workers against a server. Close dismisses them. Progress is written to out.
func NewBench(ctx context.Context, target Target, sizes Sizes, workers int, out io.Writer) (*Bench, error) {
	if target.Askers == "" {
		target.Askers = target.Tokens
	}
	b := &Bench{Target: target, Sizes: sizes.WithDefaults(), out: out, began: kernel.Now(), Slices: map[string][]Slice{}}
	setup := Setup{Targets: target.Targets, Dialect: target.Dialect, Sockets: b.Sizes.sockets()}
	last := time.Now()
	var mu sync.Mutex
	var err error
	b.crew, err = Hire(ctx, workers, setup, func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		b.sayf("%d open, %d sent, %d answered, %d events", p.Open, p.Sent, p.Answered, p.Events)
	})
	if err != nil {
		return nil, err
	}
	ctx, b.stop = context.WithCancel(ctx)
	b.looked.Go(func() { b.sample(ctx) })
	return b, nil
}

// Close ends the workers.
func (b *Bench) Close() error {
	b.stop()
	b.looked.Wait()
	return b.crew.Dismiss()
}

func (b *Bench) sayf(format string, args ...any) {
	fmt.Fprintf(b.out, "%-12s %-14s %6.1f s  %s\n", b.Target.Name, b.name, (kernel.Now() - b.began).Seconds(), fmt.Sprintf(format, args...))
}

func (b *Bench) notef(format string, args ...any) {
	note := b.name + ": " + fmt.Sprintf(format, args...)
	b.Notes = append(b.Notes, note)
	b.sayf("NOTE %s", note)
}

// sample looks at the server until ctx ends.
func (b *Bench) sample(ctx context.Context) {
	every := time.NewTicker(sampleEvery)
	defer every.Stop()
	for {
		resident, err := kernel.ResidentOf(b.Target.PID)
		cpu, cpuErr := kernel.CPUOf(b.Target.PID)
		if err == nil && cpuErr == nil {
			b.mu.Lock()
			b.Samples = append(b.Samples, Sample{kernel.Now() - b.began, resident, cpu.Total})
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// peak is the most resident memory since a time, and how much of it the server did not have before the first socket.
func (b *Bench) peak(since time.Duration) (most, grown int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.Samples {
		if s.At >= since-b.began {
			most = max(most, s.Resident)
		}
	}
	if len(b.Samples) > 0 {
		grown = most - b.Samples[0].Resident
	}
	return most, grown
}

// figure keeps a number.
func (b *Bench) figure(what, unit string, value float64) {
	b.Figures = append(b.Figures, Figure{b.name + "/" + what, unit, value})
	b.sayf("%s %.4g %s", what, value, unit)
}

// allocations begins to count what the server allocates. What is returned writes the figure, without what being asked for it costs.
func (b *Bench) allocations() (each func(operations uint64) error, err error) {
	if b.Target.Mallocs == nil {
		return func(uint64) error { return nil }, nil
	}
	first, err := b.Target.Mallocs()
	if err != nil {
		return nil, err
	}
	before, err := b.Target.Mallocs()
	return func(operations uint64) error {
		after, err := b.Target.Mallocs()
		if err == nil {
			b.figure("allocations", "", max(0, float64(after-before-(before-first)))/float64(max(operations, 1)))
		}
		return err
	}, err
}

// do has a task done and tells what the server spent on it.
func (b *Bench) do(task Task) (Report, kernel.CPU, error) {
	before, err := kernel.CPUOf(b.Target.PID)
	if err != nil {
		return Report{}, kernel.CPU{}, fmt.Errorf("the server %s: %w", b.Target.Name, err)
	}
	report, err := b.crew.Do(task)
	after, cpuErr := kernel.CPUOf(b.Target.PID)
	if err := errors.Join(err, cpuErr); err != nil {
		return report, kernel.CPU{}, err
	}
	if n := report.LostCount(); n > 0 {
		b.notef("the server ended %d connections: %v", n, report.Lost)
	}
	if meant := task.messages(); float64(report.Sent) < 0.99*meant-1 {
		b.notef("%d of %.0f messages were sent (%d found no open socket, %d no room)", report.Sent, meant, report.NotOpen, report.Blocked)
	}
	if report.NotOpened > 0 {
		return report, kernel.CPU{}, fmt.Errorf("%s: %d connections could not be opened", b.name, report.NotOpened)
	}
	if report.Failed > 0 {
		b.notef("%d attempts to connect failed and were repeated", report.Failed)
	}
	return report, after.Minus(before), nil
}
