// Command load puts the scenarios of package load on a gateway and writes what it cost: a table, JSON and pictures. Without
// a target it builds and starts a gateway of its own, with stores, and stops it again.
//
//	go run ./bench/cmd/load                                  all scenarios
//	go run ./bench/cmd/load -busy 2000 -length 2s echo       one of them, smaller
//	go run ./bench/cmd/load fleet                            90,000 sockets on six instances
//	go run ./bench/cmd/load pairing                          100 pairings a second across two instances
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/halobestie/bestie-gateway/bench/load"
	"github.com/halobestie/bestie-gateway/bench/subject"
)

func main() {
	if load.IsWorker() {
		os.Exit(load.WorkerMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	program string
	out     string
	workers int
	sizes   load.Sizes
	fleet   fleetSizes
	pairing pairingSizes
	target  string
	pid     int
	tokens  string
	askers  string
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.program, "program", "", "the gateway's `file`; default: built from this module")
	flags.StringVar(&o.out, "out", filepath.Join("bin", "load"), "`folder` for JSON and pictures")
	flags.IntVar(&o.workers, "workers", 2, "`processes` that hold the sockets")
	flags.StringVar(&o.target, "target", "", "`host:port` of a gateway that runs already; needs -pid, -tokens and -askers")
	flags.IntVar(&o.pid, "pid", 0, "its `process`, on this machine")
	flags.StringVar(&o.tokens, "tokens", "", "`file` of customers' tokens, one a line")
	flags.StringVar(&o.askers, "askers", "", "`file` of mitras' tokens")
	s := &o.sizes
	flags.IntVar(&s.IdleFrom, "idle-from", 0, "`sockets` of the first look at memory (2000)")
	flags.IntVar(&s.IdleTo, "idle-to", 0, "`sockets` of the second (18000)")
	flags.IntVar(&s.Busy, "busy", 0, "`sockets` with requests (10000)")
	flags.IntVar(&s.Audience, "audience", 0, "`sockets` of fan-out and storm (15000)")
	flags.Float64Var(&s.Rate, "rate", 0, "requests a `second` (10000); the realistic rate is a tenth")
	flags.DurationVar(&s.Length, "length", 0, "of each `measurement` (4s)")
	flags.IntVar(&o.fleet.instances, "instances", 6, "of the `fleet`")
	flags.IntVar(&o.fleet.sockets, "sockets", 15000, "of each `instance` of the fleet")
	flags.DurationVar(&o.fleet.length, "fleet-length", 0, "of the fleet's `steady` state (30s)")
	p := &o.pairing
	flags.Float64Var(&p.perSecond, "pairings", 100, "of scenario pairing, a `second`")
	flags.IntVar(&p.customers, "customers", 400, "`sockets` that ask for a mitra")
	flags.IntVar(&p.mitras, "mitras", 300, "`sockets` that take sessions")
	flags.DurationVar(&p.talk, "talk", 500*time.Millisecond, "until a `session` is ended")
	flags.DurationVar(&p.warm, "pairing-warm", 5*time.Second, "before the measurement")
	flags.DurationVar(&p.length, "pairing-length", 30*time.Second, "of the `measurement`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, name := range flags.Args() {
		if name != fleetName && name != pairingName && !slices.Contains(load.Scenarios(), name) {
			return fmt.Errorf("there is no scenario %q; there are %s, %s and %s", name, strings.Join(load.Scenarios(), ", "), fleetName, pairingName)
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if slices.Contains(flags.Args(), fleetName) {
		return runFleet(ctx, o)
	}
	if slices.Contains(flags.Args(), pairingName) {
		return runPairing(ctx, o)
	}
	return runScenarios(ctx, o, flags.Args())
}

// runScenarios measures one gateway.
func runScenarios(ctx context.Context, o options, names []string) (err error) {
	target := load.Target{
		Name: "bestie", PID: o.pid, Targets: []string{o.target}, Dialect: subject.Dialect(),
		Tokens: o.tokens, Askers: o.askers, TokenGap: 1,
	}
	if o.target == "" {
		place, err := newPlace(ctx, o.program)
		if err != nil {
			return err
		}
		defer place.leave()
		gateway, err := subject.Start(ctx, place.program, place.dir)
		if err != nil {
			return err
		}
		defer gateway.Stop()
		if target, err = gateway.Target(ctx, o.sizes.WithDefaults()); err != nil {
			return err
		}
	}
	bench, err := load.NewBench(ctx, target, o.sizes, o.workers, os.Stderr)
	if err != nil {
		return err
	}
	err = bench.Run(names...)
	err = errors.Join(err, bench.Close())
	results := []load.Result{bench.Result()}
	files, drawErr := load.WritePictures(o.out, results)
	for _, file := range files {
		fmt.Fprintln(os.Stderr, "wrote", file)
	}
	return errors.Join(err, drawErr, load.WriteJSON(filepath.Join(o.out, "load.json"), results), results[0].WriteTable(os.Stdout))
}

// place is a folder with the program.
type place struct{ dir, program string }

func newPlace(ctx context.Context, program string) (p place, err error) {
	if p.dir, err = os.MkdirTemp("", "bestie-load-"); err != nil {
		return p, err
	}
	if err := os.Chmod(p.dir, 0o755); err != nil { // Postgres may run as another user
		return p, err
	}
	if p.program = program; program == "" {
		p.program, err = subject.Build(ctx, p.dir)
	}
	return p, err
}

func (p place) leave() { _ = os.RemoveAll(p.dir) }
