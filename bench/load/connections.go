package load

import "github.com/halobestie/bestie-gateway/bench/kernel"

// idle opens sockets with tokens that the server sees for the first time, and looks what they cost while they are subscribed and
// silent. What subscribing costs is no part of a handshake.
func (b *Bench) idle() error {
	s := b.Sizes
	empty, err := b.rest(s.Length / 2)
	if err != nil {
		return err
	}
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
	later := Range{s.IdleFrom, s.IdleTo}
	report, cpu, err := b.opening(b.Target.Tokens, s.IdleFrom, later, false)
	if err != nil {
		return err
	}
	b.figure("handshake-cpu", "µs", perOperation(cpu.Total, report.Opened))
	b.figure("handshake-p99", "ms", milliseconds(report.OpenTime.Quantile(0.99)))
	b.figure("handshakes-a-second", "/s", float64(report.Opened)/report.OpenTook.Seconds())
	subscribing := Task{Length: s.Length / 2, Streams: []Stream{{
		Range: later, Kind: Subscriptions, PerSecond: float64(later.Len()) / (s.Length / 2).Seconds(),
	}}}
	if b.Target.Dialect.Subscribe != nil {
		if _, _, err := b.do(subscribing); err != nil {
			return err
		}
	}
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
	b.figure("cpu-of-sockets", "ms/s", milliseconds(silent.Total-empty.Total)/(s.Length/2).Seconds())
	return nil
}

// beside is how many messages without an answer go with each question for the state, to see what one costs to come in.
const beside = 4

// state asks again for what connections were greeted with, as many at the same time as there were handshakes: what that part of a
// handshake costs, from reading it to sending it. At a fixed rate each would wake the server up by itself, which nobody does
// who opens with others. That a message came in for it is no part of a handshake, so that is measured in the same way.
func (b *Bench) state() error {
	s := b.Sizes
	if b.Target.Dialect.State == nil {
		return nil
	}
	if _, _, err := b.opening(b.Target.Tokens, 0, Range{0, s.IdleTo}, true); err != nil {
		return err
	}
	ask := func(beside int) (float64, error) {
		report, cpu, err := b.do(Task{
			Length: s.Length / 2, Linger: linger,
			Streams: []Stream{{Range: Range{0, s.IdleTo}, Kind: States, InFlight: s.InFlight, Beside: beside}},
		})
		return perOperation(cpu.Total, report.Sent), err
	}
	alone, err := ask(0)
	if err != nil {
		return err
	}
	together, err := ask(beside)
	if err != nil {
		return err
	}
	b.figure("cpu", "µs", alone)
	b.figure("message-in", "µs", (together-alone)/beside)
	return nil
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
	asking := []Stream{{Range: stay, Kind: Requests, PerSecond: s.SlowRate}}
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
	known, cpu, err := b.do(Task{Open: &Opening{Range: Range{stay.To, s.Audience}, Cut: true, Bare: true, InFlight: s.InFlight}})
	if err != nil {
		return err
	}
	b.figure("known-token-cpu", "µs", perOperation(cpu.Total, known.Opened))
	return nil
}

// derive tells what handshakes cost without the state that some servers greet with: that is what asking for the state costs, less
// what a message costs to come in.
func (b *Bench) derive() {
	b.name = "handshake"
	result := b.Result()
	state, _ := result.Value("state/cpu") // others than ours have none
	in, _ := result.Value("state/message-in")
	for what, key := range map[string]string{"new-token": "idle/handshake-cpu", "known-token": "storm/known-token-cpu"} {
		if whole, ok := result.Value(key); ok {
			b.figure(what, "µs", whole-max(state-in, 0))
		}
	}
}
