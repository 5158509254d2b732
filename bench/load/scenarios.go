package load

import (
	"fmt"
	"time"

	"github.com/halobestie/bestie-gateway/bench/kernel"
)

// Sizes say how much load there is. Zero fields take the defaults.
type Sizes struct {
	IdleFrom, IdleTo int           // sockets of the idle slope; 2,000 and 18,000
	Busy             int           // sockets with requests; 10,000
	Audience         int           // sockets that are told events, and of the storm; 15,000
	Rate             float64       // requests a second; 10,000
	SlowRate         float64       // the realistic rate; 1,000
	Length           time.Duration // of each measurement; 4 s
	Settle           time.Duration // before a look at memory; 1.5 s
	InFlight         int           // handshakes at the same time; 256
	StormInFlight    int           // of a storm; 4,096
	EventEvery       time.Duration // between two triggers; 1 s
}

// WithDefaults fills what is zero.
func (s Sizes) WithDefaults() Sizes {
	number := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	number(&s.IdleFrom, 2000)
	number(&s.IdleTo, 18000)
	number(&s.Busy, 10000)
	number(&s.Audience, 15000)
	number(&s.InFlight, 256)
	number(&s.StormInFlight, 4096)
	for field, value := range map[*time.Duration]time.Duration{
		&s.Length: 4 * time.Second, &s.Settle: 1500 * time.Millisecond, &s.EventEvery: time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	if s.Rate == 0 {
		s.Rate = 10000
	}
	if s.SlowRate == 0 {
		s.SlowRate = s.Rate / 10
	}
	return s
}

// sockets is the highest number that a scenario uses: one more fires the triggers.
func (s Sizes) sockets() int { return max(s.IdleTo, s.Busy, s.Audience) + 1 }

func (s Sizes) triggering() int { return s.sockets() - 1 }

// linger is how long answers may take after the last request.
const linger = 300 * time.Millisecond

// scenario is one kind of load.
type scenario struct {
	name string
	run  func(*Bench) error
}

func scenarios() []scenario {
	return []scenario{
		{"idle", (*Bench).idle},
		{"fan-out", (*Bench).fanOut},
		{"storm", (*Bench).storm},
		{"echo", (*Bench).echo},
		{"echo-slow", (*Bench).echoSlow},
		{"one-way", (*Bench).oneWay},
		{"slow-readers", (*Bench).slowReaders},
		{"mixed", (*Bench).mixed},
	}
}

// Scenarios lists the names, in their order.
func Scenarios() (names []string) {
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// Run runs the named scenarios one after the other, all for no names. Each leaves the sockets as the next one finds them best:
// an opening opens only what is closed.
func (b *Bench) Run(names ...string) error {
	for _, s := range scenarios() {
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || name == s.name
		}
		if !wanted {
			continue
		}
		b.name = s.name
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s, %s: %w", b.Target.Name, s.name, err)
		}
	}
	return nil
}

// opening opens those of a range that are closed.
func (b *Bench) opening(tokens string, first int, r Range, subscribe bool) (Report, kernel.CPU, error) {
	return b.do(Task{Open: &Opening{Range: r, InFlight: b.Sizes.InFlight, Tokens: tokens, First: first, Subscribe: subscribe}})
}

// rest lets a server settle.
func (b *Bench) rest(length time.Duration) (kernel.CPU, error) {
	_, cpu, err := b.do(Task{Length: length})
	return cpu, err
}

// look is memory as it is now.
type look struct{ resident, heap int64 }

func (b *Bench) look() (l look, err error) {
	memory, err := kernel.MemoryOf(b.Target.PID)
	if err != nil {
		return l, err
	}
	l.resident = memory.Resident
	if b.Target.Heap != nil {
		l.heap, err = b.Target.Heap()
	}
	return l, err
}

// idle opens sockets with tokens that the server sees for the first time, and looks what they cost while they are silent.
func (b *Bench) idle() error {
	s := b.Sizes
	if _, _, err := b.opening(b.Target.Tokens, 0, Range{0, s.IdleFrom}, true); err != nil {
		return err
	}
	if _, err := b.rest(s.Settle); err != nil {
		return err
	}
	few, err := b.look()
	if err != nil {
		return err
	}
	report, cpu, err := b.opening(b.Target.Tokens, s.IdleFrom, Range{s.IdleFrom, s.IdleTo}, true)
	if err != nil {
		return err
	}
	b.figure("handshake-cpu", "µs", perOperation(cpu.Total, report.Opened))
	b.figure("handshake-p99", "ms", milliseconds(report.OpenTime.Quantile(0.99)))
	b.figure("handshakes-a-second", "/s", float64(report.Opened)/report.OpenTook.Seconds())
	if _, err := b.rest(s.Settle); err != nil {
		return err
	}
	many, err := b.look()
	if err != nil {
		return err
	}
	n := float64(s.IdleTo - s.IdleFrom)
	b.figure("resident", "B/socket", float64(many.resident-few.resident)/n)
	if b.Target.Heap != nil {
		b.figure("heap", "B/socket", float64(many.heap-few.heap)/n)
	}
	b.figure("resident-total", "MB", float64(many.resident)/1e6)
	silent, err := b.rest(s.Length / 2)
	if err != nil {
		return err
	}
	b.figure("cpu", "ms/s", milliseconds(silent.Total)/(s.Length/2).Seconds())
	return nil
}

// fanOut has the server tell all sockets something, again and again.
func (b *Bench) fanOut() error {
	s := b.Sizes
	if _, _, err := b.do(Task{Close: &Range{s.Audience, s.sockets()}}); err != nil {
		return err
	}
	if _, _, err := b.opening(b.Target.Tokens, 0, Range{0, s.Audience}, true); err != nil {
		return err
	}
	if err := b.openTriggering(); err != nil {
		return err
	}
	// The first event goes to a server that has just been busy, the last one must have arrived before the end.
	report, cpu, err := b.do(Task{
		Length: s.Length + s.EventEvery/2, Linger: s.EventEvery / 2,
		Trigger: &Trigger{Socket: s.triggering(), Every: s.EventEvery},
	})
	if err != nil {
		return err
	}
	if report.Events == 0 {
		return fmt.Errorf("no event came")
	}
	b.figure("delivery-cpu", "µs", perOperation(cpu.Total, report.Events))
	b.figure("events", "", float64(report.Events)/float64(s.Audience))
	b.figure("age-p50", "ms", milliseconds(report.EventAge.Quantile(0.5)))
	b.figure("age-p99", "ms", milliseconds(report.EventAge.Quantile(0.99)))
	return nil
}

func (b *Bench) openTriggering() error {
	n := b.Sizes.triggering()
	_, _, err := b.opening(b.Target.Askers, 0, Range{n, n + 1}, false)
	return err
}

// storm cuts nine of ten sockets at once, which then all come back with the tokens they had, while the others keep asking.
func (b *Bench) storm() error {
	s := b.Sizes
	if _, _, err := b.do(Task{Close: &Range{s.Audience, s.sockets()}}); err != nil {
		return err
	}
	if _, _, err := b.opening(b.Target.Tokens, 0, Range{0, s.Audience}, true); err != nil {
		return err
	}
	stay := Range{0, s.Audience / 10}
	asking := []Stream{{stay, Requests, s.SlowRate / 4}}
	quiet, _, err := b.do(Task{Length: s.Length / 2, Linger: linger, Streams: asking})
	if err != nil {
		return err
	}
	start := kernel.Now()
	storm, cpu, err := b.do(Task{
		Length: s.Length / 2, Linger: linger, Streams: asking,
		Open: &Opening{Range: Range{stay.To, s.Audience}, Cut: true, InFlight: s.StormInFlight, After: s.Length / 8},
	})
	if err != nil {
		return err
	}
	b.figure("back-after", "s", storm.OpenTook.Seconds())
	b.figure("reconnect-cpu", "µs", perOperation(cpu.Total, storm.Opened))
	_, grown := b.peak(start)
	b.figure("peak-memory", "B/socket", float64(grown)/float64(s.Audience))
	b.figure("quiet-p99", "ms", milliseconds(quiet.Latency.Quantile(0.99)))
	b.figure("stayed-p99", "ms", milliseconds(storm.Latency.Quantile(0.99)))
	b.Slices[b.name] = storm.Slices

	// The same once more, few at a time: what a handshake costs with a token that the server knows.
	known, cpu, err := b.do(Task{Open: &Opening{Range: Range{stay.To, s.Audience}, Cut: true, InFlight: s.InFlight}})
	if err != nil {
		return err
	}
	b.figure("known-token-cpu", "µs", perOperation(cpu.Total, known.Opened))
	return nil
}

// openBusy opens the sockets of requests, with tokens of their own kind.
func (b *Bench) openBusy() error {
	s := b.Sizes
	if b.Target.Askers != b.Target.Tokens {
		if _, _, err := b.do(Task{Close: &Range{0, s.sockets()}}); err != nil {
			return err
		}
	} else if _, _, err := b.do(Task{Close: &Range{s.Busy, s.sockets()}}); err != nil {
		return err
	}
	_, _, err := b.opening(b.Target.Askers, b.Target.TokenGap, Range{0, s.Busy}, false)
	if err != nil {
		return err
	}
	_, err = b.rest(s.Settle)
	return err
}

// echo asks at the full rate over all sockets.
func (b *Bench) echo() error {
	if err := b.openBusy(); err != nil {
		return err
	}
	return b.ask(b.Sizes.Rate)
}

// echoSlow asks at a realistic rate.
func (b *Bench) echoSlow() error {
	if err := b.reopenBusy(); err != nil {
		return err
	}
	return b.ask(b.Sizes.SlowRate)
}

// reopenBusy opens what is not open any more.
func (b *Bench) reopenBusy() error {
	_, _, err := b.opening(b.Target.Askers, b.Target.TokenGap, Range{0, b.Sizes.Busy}, false)
	return err
}

func (b *Bench) ask(rate float64) error {
	report, cpu, err := b.do(Task{
		Length: b.Sizes.Length, Linger: linger, Streams: []Stream{{Range{0, b.Sizes.Busy}, Requests, rate}},
	})
	if err != nil {
		return err
	}
	b.figure("cpu", "µs", perOperation(cpu.Total, report.Latency.Count()))
	b.figure("user-cpu", "µs", perOperation(cpu.User, report.Latency.Count()))
	b.latencies(report)
	return nil
}

func (b *Bench) latencies(report Report) {
	b.figure("p50", "ms", milliseconds(report.Latency.Quantile(0.5)))
	b.figure("p99", "ms", milliseconds(report.Latency.Quantile(0.99)))
	b.figure("p99.9", "ms", milliseconds(report.Latency.Quantile(0.999)))
	b.Slices[b.name] = report.Slices
	if n := report.Missing(); n > 0 {
		b.notef("%d of %d requests were not answered", n, report.Requests)
	}
}

// oneWay sends what is not answered.
func (b *Bench) oneWay() error {
	if err := b.reopenBusy(); err != nil {
		return err
	}
	report, cpu, err := b.do(Task{
		Length: b.Sizes.Length, Linger: linger, Streams: []Stream{{Range{0, b.Sizes.Busy}, OneWays, b.Sizes.Rate}},
	})
	if err != nil {
		return err
	}
	b.figure("cpu", "µs", perOperation(cpu.Total, report.Sent))
	return nil
}

// slowReaders has a tenth of the sockets send pings and read no pong, while the others ask.
func (b *Bench) slowReaders() error {
	if err := b.reopenBusy(); err != nil {
		return err
	}
	s := b.Sizes
	slow, others := Range{0, s.Busy / 10}, Range{s.Busy / 10, s.Busy}
	before := kernel.Now()
	report, _, err := b.do(Task{
		Length: s.Length, Linger: linger, Mute: &slow,
		Streams: []Stream{{others, Requests, s.SlowRate}, {slow, Pings, s.Rate}},
	})
	if err != nil {
		return err
	}
	b.latencies(report)
	most, _ := b.peak(before)
	b.figure("memory", "MB", float64(most)/1e6)
	return nil
}

// mixed is a day: heartbeats, requests, events to all, and sockets that come and go.
func (b *Bench) mixed() error {
	s := b.Sizes
	if err := b.reopenBusy(); err != nil {
		return err
	}
	if err := b.openTriggering(); err != nil {
		return err
	}
	steady := Range{0, s.Busy * 9 / 10}
	churn := Range{steady.To, s.Busy}
	report, cpu, err := b.do(Task{
		Length: s.Length, Linger: linger,
		Streams: []Stream{{steady, Requests, s.SlowRate}, {steady, OneWays, float64(s.Busy) / 15}},
		Open: &Opening{
			Range: Range{churn.From, min(churn.From+int(s.Length.Seconds()*100), churn.To)}, Cut: true, InFlight: s.InFlight, PerSecond: 100,
		},
		Trigger: &Trigger{Socket: s.triggering(), Every: s.EventEvery},
	})
	if err != nil {
		return err
	}
	b.figure("cpu", "ms/s", milliseconds(cpu.Total)/s.Length.Seconds())
	b.latencies(report)
	return nil
}

func perOperation(cpu time.Duration, n uint64) float64 {
	return float64(cpu) / float64(time.Microsecond) / float64(max(n, 1))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
