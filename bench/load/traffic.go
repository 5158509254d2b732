package load

import (
	"fmt"

	"github.com/halobestie/bestie-gateway/bench/kernel"
)

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
	allocated, err := b.allocations()
	if err != nil {
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
	return allocated(report.Events)
}

func (b *Bench) openTriggering() error {
	n := b.Sizes.triggering()
	_, _, err := b.opening(b.Target.Askers, 0, Range{n, n + 1}, false)
	return err
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
	allocated, err := b.allocations()
	if err != nil {
		return err
	}
	report, cpu, err := b.do(Task{
		Length: b.Sizes.Length, Linger: linger, Streams: []Stream{{Range: Range{0, b.Sizes.Busy}, Kind: Requests, PerSecond: rate}},
	})
	if err != nil {
		return err
	}
	b.figure("cpu", "µs", perOperation(cpu.Total, report.Latency.Count()))
	b.figure("user-cpu", "µs", perOperation(cpu.User, report.Latency.Count()))
	b.offered(report, rate)
	b.latencies(report)
	return allocated(report.Latency.Count())
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
		Length: b.Sizes.Length, Linger: linger, Streams: []Stream{{Range: Range{0, b.Sizes.Busy}, Kind: OneWays, PerSecond: b.Sizes.Rate}},
	})
	if err != nil {
		return err
	}
	b.figure("cpu", "µs", perOperation(cpu.Total, report.Sent))
	b.offered(report, b.Sizes.Rate)
	return nil
}

// offered tells how much of the load there was: on a machine without time, the clients have none either, and what comes late comes
// together, which is cheap for a server.
func (b *Bench) offered(report Report, rate float64) {
	b.figure("offered", "", float64(report.Sent)/(rate*b.Sizes.Length.Seconds()))
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
		Streams: []Stream{{Range: others, Kind: Requests, PerSecond: s.SlowRate}, {Range: slow, Kind: Pings, PerSecond: s.Rate}},
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
	if b.Target.Askers != b.Target.Tokens { // who asks is not who is told events
		if _, _, err := b.do(Task{Close: &Range{0, s.sockets()}}); err != nil {
			return err
		}
	}
	if _, _, err := b.opening(b.Target.Tokens, 0, Range{0, s.Busy}, true); err != nil {
		return err
	}
	if err := b.openTriggering(); err != nil {
		return err
	}
	steady := Range{0, s.Busy * 9 / 10}
	churn := Range{steady.To, s.Busy}
	report, cpu, err := b.do(Task{
		Length: s.Length, Linger: linger,
		Streams: []Stream{{Range: steady, Kind: Requests, PerSecond: s.SlowRate}, {Range: steady, Kind: OneWays, PerSecond: float64(s.Busy) / 15}},
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
