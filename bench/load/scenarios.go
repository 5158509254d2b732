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
		{"state", (*Bench).state},
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
	b.derive()
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

func perOperation(cpu time.Duration, n uint64) float64 {
	return float64(cpu) / float64(time.Microsecond) / float64(max(n, 1))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
