// Command peers measures the gateway side by side with other WebSocket servers: the same clients, the same work, on the same
// machine in turns. It is a module of its own, so that the gateway does not depend on any of them.
//
//	for each round, for each server in turn: start it ─► package load's scenarios ─► stop it
//	then: medians over the rounds, ratios to the floor within each round ─► RESULTS.md, results.json, pictures
//
// The servers do what the gateway does and no more: 32 bytes in, 16 bytes out; messages without an answer; 64 bytes to everybody
// when somebody asks for it. They check no token, know no identity, keep no presence, limit no rate. The gateway is
// the real program with its stores up, and does all of that.
//
//	go run . [-rounds 3] [-length 3s] [-only floor,gws,bestie] [-out ..]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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
	var err error
	if len(os.Args) == 4 && os.Args[1] == serveCommand {
		err = serve(os.Args[2], os.Args[3])
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, os.Args[1:])
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	rounds    int
	only      string
	out       string
	program   string
	commit    string
	scenarios []string
	sizes     load.Sizes
	workers   int
}

func run(ctx context.Context, args []string) (err error) {
	var o options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 2, "how `often` each server is measured")
	flags.StringVar(&o.only, "only", "", "`servers` by commas; default: all")
	flags.StringVar(&o.out, "out", "..", "`folder` for RESULTS.md and its pictures")
	flags.StringVar(&o.program, "program", "", "the gateway's `file`; default: built from this repository")
	flags.StringVar(&o.commit, "commit", "", "`what` the gateway was built of; default: what git says")
	flags.IntVar(&o.workers, "workers", 2, "`processes` that hold the sockets")
	s := &o.sizes
	flags.IntVar(&s.IdleFrom, "idle-from", 0, "`sockets` of the first look at memory (2000)")
	flags.IntVar(&s.IdleTo, "idle-to", 0, "`sockets` of the second (18000)")
	flags.IntVar(&s.Busy, "busy", 0, "`sockets` with requests (10000)")
	flags.IntVar(&s.Audience, "audience", 0, "`sockets` of fan-out and storm (15000)")
	flags.Float64Var(&s.Rate, "rate", 0, "requests a `second` (10000); the realistic rate is a tenth")
	flags.DurationVar(&s.Length, "length", 3*time.Second, "of each `measurement`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.scenarios, o.sizes = flags.Args(), o.sizes.WithDefaults()

	dir, err := os.MkdirTemp("", "bestie-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres may run as another user
		return err
	}
	if o.commit == "" {
		text, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
		o.commit = strings.TrimSpace(string(text))
	}
	began := time.Now()
	all := contenders(o, dir)
	var loads []float64
	rounds, err := measure(ctx, o, all, func() { loads = append(loads, loadAverage()) })
	report := newReport(rounds, all)
	report.loads = loads
	report.machine, report.commit, report.took = machine(), o.commit, time.Since(began)
	report.command = "make bench-peers ARGS='" + strings.Join(args, " ") + "'"
	return errors.Join(err, report.write(o.out))
}

// measure runs the rounds; begin is called before each server. What was measured before an error is given, too.
func measure(ctx context.Context, o options, all []contender, begin func()) (rounds [][]load.Result, err error) {
	for round := range o.rounds {
		var results []load.Result
		for _, c := range all {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, c.name)
			begin()
			result, err := one(ctx, o, c)
			if err != nil {
				// One server that fails is no reason to lose the others' figures.
				fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
				result.Notes = append(result.Notes, "failed: "+err.Error())
			}
			results = append(results, result)
			if ctx.Err() != nil {
				return append(rounds, results), ctx.Err()
			}
		}
		rounds = append(rounds, results)
	}
	return rounds, nil
}

// one starts a server, measures it, and stops it.
func one(ctx context.Context, o options, c contender) (result load.Result, err error) {
	result.Server = c.name
	target, stop, err := c.start(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	target.Name = c.name
	bench, err := load.NewBench(ctx, target, o.sizes, o.workers, os.Stderr)
	if err != nil {
		return result, err
	}
	scenarios := o.scenarios
	if len(scenarios) == 0 {
		scenarios = c.scenarios
	}
	err = errors.Join(bench.Run(scenarios...), bench.Close())
	return bench.Result(), err
}

// contender is a server that takes part.
type contender struct {
	name      string
	about     string
	scenarios []string // nil: all
	start     func(context.Context) (load.Target, func() error, error)
}

// contenders lists who takes part, the floor first.
func contenders(o options, dir string) (all []contender) {
	wanted := func(name string) bool { return o.only == "" || strings.Contains(","+o.only+",", ","+name+",") }
	for _, p := range peers() {
		if !wanted(p.name) {
			continue
		}
		all = append(all, contender{p.name, p.about, p.scenarios, func(ctx context.Context) (load.Target, func() error, error) {
			target, stop, err := startPeer(ctx, p)
			target.Tokens = filepath.Join(dir, "token")
			return target, stop, errors.Join(err, os.WriteFile(target.Tokens, []byte(token), 0o644))
		}})
		if p.name == floorName && wanted(oursName) {
			all = append(all, ours(o, dir))
		}
		if p.name == floorOneName && wanted(oursOneName) {
			one := ours(o, dir, "GOMAXPROCS=1")
			one.name, one.about, one.scenarios = oursOneName, "`bestie` with one loop", oneLoopScenarios
			all = append(all, one)
		}
	}
	if len(all) == 0 && wanted(oursName) {
		all = append(all, ours(o, dir))
	}
	return all
}

// token is as long as the gateway's are: the other servers get it, too, and read over it.
var token = strings.Repeat("t", 330) + "\n"

const (
	floorName = "floor"
	oursName  = "bestie"

	// The same with one loop, for what is promised of that.
	floorOneName = "floor-1"
	oursOneName  = "bestie-1"
)

var oneLoopScenarios = []string{"echo"}

// ours is the gateway, with more settings.
func ours(o options, dir string, more ...string) contender {
	program := o.program
	return contender{
		oursName, "the gateway: real tokens, identity, presence, rate limits, timers; Postgres and Valkey up", nil,
		func(ctx context.Context) (target load.Target, stop func() error, err error) {
			if program == "" {
				if program, err = subject.Build(ctx, dir); err != nil {
					return target, nil, err
				}
			}
			gateway, err := subject.Start(ctx, program, filepath.Join(dir, "dev"), more...)
			if err != nil {
				return target, nil, err
			}
			target, err = gateway.Target(ctx, o.sizes)
			if err != nil {
				return target, nil, errors.Join(err, gateway.Stop())
			}
			return target, gateway.Stop, nil
		},
	}
}
