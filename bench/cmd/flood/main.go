// Command flood prints handshakes, refreshes, sign-ins and log-ins a second, beside how long heartbeats take while nothing else
// happens and while that does: a flood of log-ins must not starve sockets. It builds and starts a gateway of its own, with stores,
// and stops it again.
//
//	go run ./bench/cmd/flood
//	go run ./bench/cmd/flood -rounds 1 -length 2s
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/halobestie/bestie-gateway/bench/flood"
	"github.com/halobestie/bestie-gateway/bench/hist"
	"github.com/halobestie/bestie-gateway/bench/kernel"
	"github.com/halobestie/bestie-gateway/bench/subject"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

// job is what the flooding process is told, as its argument.
type job struct {
	Target flood.Target
	Mix    flood.Mix
	Length time.Duration
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("flood", flag.ContinueOnError)
	rounds := flags.Int("rounds", 3, "`times` quiet and flood are measured in turns; the median counts")
	length := flags.Duration("length", 5*time.Second, "of each `measurement`")
	sockets := flags.Int("sockets", 200, "`sockets` that beat")
	beats := flags.Int("beats", 400, "heartbeats a `second`")
	var mix flood.Mix
	flags.IntVar(&mix.LogIns, "logins", 8, "log-ins at the control center all the `time`")
	flags.IntVar(&mix.SignIns, "signins", 8, "customers who sign in all the `time`")
	flags.IntVar(&mix.Refreshes, "refreshes", 8, "customers who refresh all the `time`")
	flags.IntVar(&mix.Handshakes, "handshakes", 4, "sockets that open and close all the `time`")
	flooding := flags.String("flooding", "", "the `job` of a flooding process (for itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *flooding != "" {
		return floodAway(ctx, *flooding)
	}

	dir, err := os.MkdirTemp("", "flood-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres may run as another user
		return err
	}
	program, err := subject.Build(ctx, dir)
	if err != nil {
		return err
	}
	gateway, err := subject.Start(ctx, program, filepath.Join(dir, "dev"))
	if err != nil {
		return err
	}
	target := flood.Target{Public: gateway.Public, Internal: gateway.Internal}
	return errors.Join(measure(ctx, job{target, mix, *length}, *rounds, *sockets, *beats), gateway.Stop())
}

// floodAway is the whole of a flooding process.
func floodAway(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, j.Length)
	defer cancel()
	counts, err := flood.Run(ctx, j.Target, j.Mix)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(counts)
}

// goal is how many times as late as in a quiet time the 99th of a hundred heartbeats may be under a flood.
const goal = 3

// round is one quiet time and one flood.
type round struct {
	load           float64 // the machine's, before it
	quiet, flooded *hist.Histogram
	counts         flood.Counts
}

func (r round) ratio() float64 {
	return float64(r.flooded.Quantile(0.99)) / float64(r.quiet.Quantile(0.99))
}

func measure(ctx context.Context, j job, rounds, sockets, beats int) error {
	meter, err := flood.NewMeter(ctx, j.Target, sockets)
	if err != nil {
		return err
	}
	defer meter.Close()
	var all []round
	for range rounds {
		r := round{load: kernel.LoadAverage()}
		if r.quiet, err = meter.Measure(ctx, beats, j.Length); err != nil {
			return err
		}
		counted := make(chan error, 1)
		go func() { counted <- r.flood(ctx, j) }()
		r.flooded, err = meter.Measure(ctx, beats, j.Length)
		if err = errors.Join(err, <-counted); err != nil {
			return err
		}
		all = append(all, r)
	}
	fmt.Printf("%d sockets, %d heartbeats a second, %v each; %d processors\n\n", sockets, beats, j.Length, runtime.NumCPU())
	for i, r := range all {
		fmt.Printf("round %d: load average before it %.2f, p99 flooded / quiet %.2f\n", i+1, r.load, r.ratio())
	}
	busy := all[0].load > float64(runtime.NumCPU())/2
	slices.SortFunc(all, func(a, b round) int { return cmp.Compare(a.ratio(), b.ratio()) })
	all[len(all)/2].print(j)
	if busy {
		fmt.Println("\nThe machine had other work: the load average says how much. Measure again when it is quiet.")
	}
	return nil
}

func (r *round) flood(ctx context.Context, j job) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	// It stands for other machines: it gets what the gateway and the meter leave.
	command := exec.CommandContext(ctx, "nice", "-n", "19", os.Args[0], "-flooding", string(text))
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("the flood: %w", err)
	}
	return json.Unmarshal(out, &r.counts)
}

func (r *round) print(j job) {
	each := func(n uint64) float64 { return float64(n) / j.Length.Seconds() }
	verdict := "reached"
	if r.ratio() > goal {
		verdict = "NOT REACHED"
	}
	fmt.Printf("\nThe median of these rounds:\n\n")
	fmt.Printf("heartbeat ack, quiet    %v\n", r.quiet)
	fmt.Printf("heartbeat ack, flooded  %v\n", r.flooded)
	fmt.Printf("p99 flooded / quiet     %.2f; the goal is at most %d: %s\n\n", r.ratio(), goal, verdict)
	fmt.Printf("meanwhile, a second: %.1f log-ins (bcrypt 12), %.0f sign-ins, %.0f refreshes, %.0f handshakes; %.1f refused\n",
		each(r.counts.LogIns), each(r.counts.SignIns), each(r.counts.Refreshes), each(r.counts.Handshakes), each(r.counts.Refused))
	for why, n := range r.counts.Why {
		fmt.Printf("  %.1f a second: %s\n", each(n), why)
	}
}
