package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/halobestie/bestie-gateway/bench/kernel"
	"github.com/halobestie/bestie-gateway/bench/load"
	"github.com/halobestie/bestie-gateway/bench/sim"
	"github.com/halobestie/bestie-gateway/bench/subject"
	"github.com/halobestie/bestie-gateway/protocol"
)

const fleetName = "fleet"

// fleetSizes say how large it is.
type fleetSizes struct {
	instances, sockets int // sockets of each
	length             time.Duration
}

const (
	beatEvery     = 15 * time.Second // what the gateway asks the apps for
	askPerSecond  = 300              // heartbeats that want an ack, to see how long that takes
	changeEvery   = time.Second      // of the available mitras
	openInFlight  = 512
	simMitras     = 60
	simCustomers  = 24
	simPairings   = 4 // a second
	million       = 1_000_000
	settleLinger  = 500 * time.Millisecond
	instanceConns = "DATABASE_MAX_CONNS=12" // of six instances together less than Postgres allows
)

// fleet is several instances on the same stores, and the sockets of all of them.
type fleet struct {
	sizes    fleetSizes
	gateways []*subject.Gateway
	crew     *load.Crew
	total    int // sockets without the one that changes the count
	Rows     []fleetRow
	before   []look
	after    []look
}

// look is what one process has used.
type look struct {
	memory kernel.Memory
	heap   int64
}

// fleetRow is one figure of the report.
type fleetRow struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

func (f *fleet) row(unit string, value float64, format string, args ...any) {
	row := fleetRow{fmt.Sprintf(format, args...), value, unit}
	f.Rows = append(f.Rows, row)
	fmt.Fprintf(os.Stderr, "fleet: %s: %.4g %s\n", row.What, row.Value, row.Unit)
}

// runFleet connects a socket at every instance in turn until all are full, has them beat, changes the count every second, then has
// pairings beside them.
func runFleet(ctx context.Context, o options) (err error) {
	f := &fleet{sizes: o.fleet, total: o.fleet.instances * o.fleet.sockets}
	if f.sizes.length == 0 {
		f.sizes.length = 15 * time.Second
	}
	place, err := newPlace(ctx, o.program)
	if err != nil {
		return err
	}
	defer place.leave()
	defer func() { err = errors.Join(err, f.stop()) }()
	if err := f.start(ctx, place); err != nil {
		return err
	}
	if err := f.open(); err != nil {
		return err
	}
	if err := f.steady(); err != nil {
		return err
	}
	if err := f.pairings(ctx); err != nil {
		return err
	}
	f.extrapolate()
	if err := f.write(os.Stdout); err != nil {
		return err
	}
	text, err := json.MarshalIndent(f.Rows, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "fleet.json"), text, 0o644)
}

// start runs the instances, makes tokens and hires the clients.
func (f *fleet) start(ctx context.Context, place place) error {
	first, err := subject.Start(ctx, place.program, filepath.Join(place.dir, "dev"), instanceConns)
	if err != nil {
		return err
	}
	f.gateways = append(f.gateways, first)
	for len(f.gateways) < f.sizes.instances {
		another, err := first.Another(ctx, instanceConns)
		if err != nil {
			return err
		}
		f.gateways = append(f.gateways, another)
	}
	began := time.Now()
	for role, n := range map[protocol.Role]int{protocol.RoleCustomer: f.total - f.mitras(), protocol.RoleMitra: f.mitras() + 1} {
		if err := first.Tokens(ctx, role, n, f.tokens(role)); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "fleet: %d tokens in %v\n", f.total+1, time.Since(began).Round(time.Second))
	setup := load.Setup{Dialect: subject.Dialect(), Sockets: f.total + 1}
	for _, g := range f.gateways {
		setup.Targets = append(setup.Targets, g.Public)
	}
	last := time.Now()
	var mu sync.Mutex
	f.crew, err = load.Hire(ctx, f.sizes.instances, setup, func(p load.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintf(os.Stderr, "fleet: %d open, %d sent, %d answered, %d events\n", p.Open, p.Sent, p.Answered, p.Events)
		}
	})
	return err
}

func (f *fleet) stop() error {
	var errs []error
	if f.crew != nil {
		errs = append(errs, f.crew.Dismiss())
	}
	for i := len(f.gateways) - 1; i >= 0; i-- { // the first one has the stores
		errs = append(errs, f.gateways[i].Stop())
	}
	return errors.Join(errs...)
}

// mitras is how many of the sockets are those of mitras: the last ones.
func (f *fleet) mitras() int { return f.total / 10 }

func (f *fleet) tokens(role protocol.Role) string {
	return filepath.Join(f.gateways[0].Dir, string(role)+"s.txt")
}

func (f *fleet) look() (all []look, err error) {
	for _, g := range f.gateways {
		memory, err := kernel.MemoryOf(g.PID)
		if err != nil {
			return nil, err
		}
		heap, err := g.Heap()
		if err != nil {
			return nil, err
		}
		all = append(all, look{memory, heap})
	}
	return all, nil
}

// measured has a task done and tells what everybody spent on it.
func (f *fleet) measured(what string, task load.Task) (load.Report, error) {
	before, storesBefore, err := usage(f.gateways)
	if err != nil {
		return load.Report{}, err
	}
	began := time.Now()
	report, err := f.crew.Do(task)
	if err != nil {
		return report, err
	}
	took := time.Since(began)
	after, stores, err := usage(f.gateways)
	if err != nil {
		return report, err
	}
	f.row("% of a core", 100*(after-before).Seconds()/took.Seconds(), "%s: processor, all %d instances", what, len(f.gateways))
	for _, name := range []string{"Postgres", "Valkey"} {
		f.row("% of a core", 100*(stores[name]-storesBefore[name]).Seconds()/took.Seconds(), "%s: processor, %s", what, name)
	}
	if n := report.LostCount(); n > 0 {
		f.row("", float64(n), "%s: connections that the instances ended %v", what, report.Lost)
	}
	if n := report.NotOpened; n > 0 {
		return report, fmt.Errorf("%d sockets could not be opened", n)
	}
	return report, nil
}

// open connects everybody, and sees what that takes.
func (f *fleet) open() (err error) {
	if f.before, err = f.look(); err != nil {
		return err
	}
	customers := load.Range{To: f.total - f.mitras()}
	for _, opening := range []load.Opening{
		{Range: customers, Tokens: f.tokens(protocol.RoleCustomer), Subscribe: true},
		{Range: load.Range{From: customers.To, To: f.total + 1}, Tokens: f.tokens(protocol.RoleMitra)},
	} {
		opening.InFlight = openInFlight
		report, err := f.measured(fmt.Sprintf("opening %d sockets", opening.Len()), load.Task{
			Open: &opening,
			// Who is up already must stay so, however long the rest takes.
			Streams: []load.Stream{{Range: load.Range{To: opening.From}, Kind: load.OneWays, PerSecond: float64(opening.From) / beatEvery.Seconds()}},
		})
		if err != nil {
			return err
		}
		f.row("/s", float64(report.Opened)/report.OpenTook.Seconds(), "opening %d sockets: handshakes with welcome", opening.Len())
		f.row("ms", milliseconds(report.OpenTime.Quantile(0.99)), "opening %d sockets: p99", opening.Len())
	}
	return nil
}

// streams are everybody's heartbeats, and a few that want an ack.
func (f *fleet) streams() []load.Stream {
	all := load.Range{To: f.total}
	return []load.Stream{
		{Range: all, Kind: load.OneWays, PerSecond: float64(f.total)/beatEvery.Seconds() - askPerSecond},
		{Range: all, Kind: load.Requests, PerSecond: askPerSecond},
	}
}

// steady is heartbeats and a change of the count every second.
func (f *fleet) steady() (err error) {
	if _, err := f.measured("heartbeats alone", load.Task{Length: f.sizes.length / 2, Linger: settleLinger, Streams: f.streams()}); err != nil {
		return err
	}
	if f.after, err = f.look(); err != nil {
		return err
	}
	report, err := f.measured("heartbeats and a change a second", load.Task{
		Length: f.sizes.length, Linger: settleLinger, Streams: f.streams(),
		Trigger: &load.Trigger{Socket: f.total, Every: changeEvery},
	})
	if err != nil {
		return err
	}
	f.latencies("heartbeats and a change a second", report)
	f.row("ms", milliseconds(report.EventAge.Quantile(0.5)), "a change to each of %d customers, p50", f.total-f.mitras())
	f.row("ms", milliseconds(report.EventAge.Quantile(0.99)), "a change to each of %d customers, p99", f.total-f.mitras())
	f.row("", float64(report.Events), "changes delivered")
	return nil
}

func (f *fleet) latencies(what string, report load.Report) {
	f.row("ms", milliseconds(report.Latency.Quantile(0.5)), "%s: heartbeat to ack, p50", what)
	f.row("ms", milliseconds(report.Latency.Quantile(0.99)), "%s: heartbeat to ack, p99", what)
	f.row("", float64(report.Missing()), "%s: heartbeats not answered", what)
}

// pairings has the simulator's people use the instances, while everybody else goes on beating.
func (f *fleet) pairings(ctx context.Context) error {
	options := sim.Options{
		Internal: "http://" + f.gateways[0].Internal, Mitras: simMitras, Customers: simCustomers,
		Duration: f.sizes.length, PairingsPerSecond: simPairings, Probes: -1,
	}
	for _, g := range f.gateways {
		options.Targets = append(options.Targets, "http://"+g.Public)
	}
	var simulated sim.Report
	var simErr error
	var running sync.WaitGroup
	running.Go(func() { simulated, simErr = sim.Run(ctx, options, io.Discard) })
	report, err := f.measured("with pairings", load.Task{Length: f.sizes.length, Linger: settleLinger, Streams: f.streams()})
	running.Wait()
	if err := errors.Join(err, simErr); err != nil {
		return err
	}
	f.latencies("with pairings", report)
	f.row("", float64(simulated.Matched), "with pairings: paired")
	f.row("", float64(len(simulated.Broken)), "with pairings: invariants broken")
	for _, name := range []string{sim.LatencyFirstOffer, sim.LatencyTold} {
		f.row("ms", milliseconds(simulated.Latency(name).P50), "with pairings: %s, p50", name)
		f.row("ms", milliseconds(simulated.Latency(name).P99), "with pairings: %s, p99", name)
	}
	return nil
}

// extrapolate tells from the slopes what a million sockets need.
func (f *fleet) extrapolate() {
	var resident, heap, empty float64
	for i := range f.gateways {
		resident += float64(f.after[i].memory.Resident - f.before[i].memory.Resident)
		heap += float64(f.after[i].heap - f.before[i].heap)
		empty += float64(f.before[i].memory.Resident)
	}
	resident, heap, empty = resident/float64(f.total), heap/float64(f.total), empty/float64(len(f.gateways))
	f.row("B", resident, "resident memory a socket, beating")
	f.row("B", heap, "heap in use a socket, garbage included")
	f.row("MB", empty/1e6, "an instance without sockets")
	f.row("GB", resident*million/1e9, "a million sockets: memory of the instances' sockets")
	for _, row := range f.Rows {
		if row.What == fmt.Sprintf("heartbeats alone: processor, all %d instances", len(f.gateways)) {
			f.row("cores", row.Value/100*million/float64(f.total), "a million sockets: processor for heartbeats")
		}
	}
}

func (f *fleet) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%d instances, %d sockets\t\t\n", len(f.gateways), f.total)
	for _, row := range f.Rows {
		fmt.Fprintf(table, "  %s\t%.4g\t%s\n", row.What, row.Value, row.Unit)
	}
	return table.Flush()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
