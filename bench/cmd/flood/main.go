// Command flood prints handshakes, refreshes, sign-ins and log-ins a second, beside how long heartbeats take while nothing else
// happens and while that does: a flood of log-ins must not starve sockets. It builds and starts a gateway of its own, with stores,
// and stops it again.
//
//	go run ./bench/cmd/flood
//	go run ./bench/cmd/flood -rounds 1 -length 2s
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/halobestie/bestie-gateway/bench/flood"
	"github.com/halobestie/bestie-gateway/bench/hist"
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

// round is one quiet time and one flood.
type round struct {
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
		var r round
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
	slices.SortFunc(all, func(a, b round) int { return int(1000 * (a.ratio() - b.ratio())) })
	all[len(all)/2].print(j, sockets, beats)
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

func (r *round) print(j job, sockets, beats int) {
	each := func(n uint64) float64 { return float64(n) / j.Length.Seconds() }
	fmt.Printf("%d sockets, %d heartbeats a second, %v each\n\n", sockets, beats, j.Length)
	fmt.Printf("heartbeat ack, quiet    %v\n", r.quiet)
	fmt.Printf("heartbeat ack, flooded  %v\n", r.flooded)
	fmt.Printf("p99 flooded / quiet     %.2f\n\n", r.ratio())
	fmt.Printf("meanwhile, a second: %.1f log-ins (bcrypt 12), %.0f sign-ins, %.0f refreshes, %.0f handshakes; %.1f refused\n",
		each(r.counts.LogIns), each(r.counts.SignIns), each(r.counts.Refreshes), each(r.counts.Handshakes), each(r.counts.Refused))
	for why, n := range r.counts.Why {
		fmt.Printf("  %.1f a second: %s\n", each(n), why)
	}
}
