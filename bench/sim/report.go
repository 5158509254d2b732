package sim

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Report is what a run found.
type Report struct {
	Latencies []Latency
	Broken    []Breach // at most some of each invariant
	Breaches  map[Invariant]int

	Requests, Heartbeats uint64
	Matched, Ended       uint64
	Cancelled, Unmatched uint64 // searches that the customer, or nobody, ended
	Paid, Extended       uint64 // taps on Pay, and extensions that were asked for
	Rerouted             uint64
	Skipped              uint64 // requests that were due while every customer was busy
	Reconnects           uint64 // after a close that protocol.md foresees, or a breach
	Refused              uint64 // upgrades answered 503
	Unseen               uint64 // changes of the count that a customer did not see within 3 s
	Stale                uint64 // session updates that an app drops by their version

	verified []Invariant // the oracle's rules, when it was asked

	Answers map[protocol.ErrorCode]uint64 // errors that belong to the game, such as OFFER_TAKEN
	Errors  map[protocol.ErrorCode]uint64 // all others
}

// Latency is one line of the table.
type Latency struct {
	Name               string
	N                  uint64
	P50, P95, P99, Max time.Duration
}

// Latency finds a line by its name.
func (r Report) Latency(name string) Latency {
	i := slices.IndexFunc(r.Latencies, func(l Latency) bool { return l.Name == name })
	if i < 0 {
		return Latency{Name: name}
	}
	return r.Latencies[i]
}

// The names of the latencies.
const (
	LatencyConnect    = "connect"
	LatencyBeacon     = "beacon change seen"
	LatencyFirstOffer = "request to first offer"
	LatencyTold       = "accept to customer told"
	LatencyHeartbeat  = "heartbeat ack"
	LatencyAnswer     = "any other answer"
)

// report sums the run up.
func (w *world) report() Report {
	m := &w.meters
	w.ledger.close()
	broken, breaches := w.ledger.broken()
	r := Report{
		Latencies: []Latency{
			m.connect.latency(LatencyConnect), m.beacon.latency(LatencyBeacon), m.firstOffer.latency(LatencyFirstOffer),
			m.told.latency(LatencyTold), m.heartbeat.latency(LatencyHeartbeat), m.answer.latency(LatencyAnswer),
		},
		Broken: broken, Breaches: breaches,
		Requests: m.requests.Load(), Heartbeats: m.heartbeats.Load(),
		Matched: m.matched.Load(), Ended: m.ended.Load(), Cancelled: m.cancelled.Load(), Unmatched: m.unmatched.Load(),
		Paid: m.paid.Load(), Extended: m.extended.Load(), Rerouted: m.rerouted.Load(),
		Skipped: m.skipped.Load(), Reconnects: m.reconnects.Load(), Refused: m.refused.Load(), Stale: m.stale.Load(), Unseen: m.unseen.Load(),
	}
	if w.opts.Verify {
		for _, rule := range oracle.Rules {
			r.verified = append(r.verified, Invariant(rule))
		}
	}
	r.Answers, _ = m.answers.snapshot()
	r.Errors, _ = m.errors.snapshot()
	return r
}

// print writes the tables.
func (r Report) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nlatency\tp50\tp95\tp99\tmax\tn\t")
	for _, l := range r.Latencies {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t\n", l.Name, short(l.P50), short(l.P95), short(l.P99), short(l.Max), l.N)
	}
	fmt.Fprintln(table, "\ninvariant\tbroken\t")
	for _, i := range append(slices.Clone(Invariants), r.verified...) {
		fmt.Fprintf(table, "%s\t%d\t\n", i, r.Breaches[i])
	}
	table.Flush()
	fmt.Fprintf(out, "\n%d requests, %d heartbeats: %d paired, %d ended, %d cancelled, %d unmatched; %d skipped, since all customers were busy\n",
		r.Requests, r.Heartbeats, r.Matched, r.Ended, r.Cancelled, r.Unmatched, r.Skipped)
	fmt.Fprintf(out, "%d reconnects, %d upgrades refused, %d late updates dropped by their version\n", r.Reconnects, r.Refused, r.Stale)
	if r.Paid+r.Extended+r.Rerouted > 0 {
		fmt.Fprintf(out, "%d paid, %d extended, %d rerouted\n", r.Paid, r.Extended, r.Rerouted)
	}
	if r.Unseen > 0 {
		fmt.Fprintf(out, "%d times a customer did not see the count change within %v\n", r.Unseen, probeTimeout)
	}
	printCodes(out, "answers of a busy day", r.Answers)
	printCodes(out, "errors", r.Errors)
	for _, b := range r.Broken {
		fmt.Fprintf(out, "BROKEN %s: %s\n", b.Invariant, b.Detail)
	}
	if len(r.Broken) == 0 {
		fmt.Fprintln(out, "every invariant kept")
	}
}

func printCodes(out io.Writer, title string, count map[protocol.ErrorCode]uint64) {
	if len(count) == 0 {
		return
	}
	var parts []string
	for code, n := range count {
		parts = append(parts, fmt.Sprintf("%s %d", code, n))
	}
	slices.Sort(parts)
	fmt.Fprintf(out, "%s: %s\n", title, strings.Join(parts, ", "))
}

// short rounds a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}
