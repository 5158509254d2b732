package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/bench/sim"
)

func simCommand() *command {
	flags := newFlags("sim")
	var targets addresses
	flags.Var(&targets, "target", "public `address` of an instance; once for each (default http://127.0.0.1:3000)")
	internal := flags.String("internal", "http://127.0.0.1:3001", "internal `address` of one instance, with its test routes on")
	mitras := flags.Int("mitras", 100, "`how many` mitras, one socket each")
	customers := flags.Int("customers", 25, "`how many` customers, one socket each")
	duration := flags.Duration("duration", 30*time.Second, "`how long` pairings are asked for, such as 30s or 5m")
	rate := flags.Float64("pairings-per-second", 0, "`how many` pairings are asked for (default a fifth of the customers)")
	paid := flags.Bool("paid", false, "customers pay at the sandbox's page, extend their sessions and change their mitras")
	verify := flags.Bool("verify", false, "compare what happened with what the instances say at the end, and with both stores")
	seed := flags.Uint64("seed", 0, "`number` that decides what is left to chance, as a run printed it (default: another one each time)")
	return &command{
		name:    "sim",
		summary: "simulated mitras and customers against running instances",
		about: `
Signs in mitras (by the test routes, so ENABLE_TEST_ROUTES must be on) and customers, connects them, and lets them do what people do:
come online, ask, accept, decline, ignore, talk, end, give up. It knows the instances by their wire alone. While it runs
it shows one line of progress; then it prints latencies and judges invariants: two winners of one session, a mitra over its
capacity, an offer to a mitra that is offline, a version that went back. A broken one is printed with its ids, and the exit code is 1.`,
		example: "bestie sim --mitras 200 --customers 50 --duration 30s\n" +
			"bestie sim --target http://127.0.0.1:3000 --target http://127.0.0.1:4000 --mitras 2000 --customers 500 --pairings-per-second 20",
		flags: flags,
		run: func(ctx context.Context, sh *shell, _ []string) error {
			if *mitras < 1 || *customers < 1 || *duration <= 0 || *rate < 0 {
				return usagef("--mitras, --customers and --duration must be above zero; see: bestie help sim")
			}
			var inside addresses
			if err := inside.Set(*internal); err != nil {
				return usagef("--internal %v", err)
			}
			return simulate(ctx, sh, sim.Options{
				Targets: targets, Internal: inside[0], Mitras: *mitras, Customers: *customers, Duration: *duration,
				PairingsPerSecond: *rate, Paid: *paid, Verify: *verify, Seed: *seed, Terminal: isTerminal(sh.out),
			})
		},
	}
}

func simulate(ctx context.Context, sh *shell, options sim.Options) error {
	report, err := sim.Run(ctx, options, sh.out)
	if err != nil {
		return err
	}
	if broken := len(report.Breaches); broken > 0 {
		return fmt.Errorf("%d invariants were broken", broken)
	}
	return nil
}

// addresses are base URLs given by a flag that may be repeated. ws://host:port/ws, host:port and http://host:port/ mean the
// same.
type addresses []string

// String implements flag.Value.
func (a *addresses) String() string { return strings.Join(*a, ",") }

// Set implements flag.Value.
func (a *addresses) Set(text string) error {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("must look like http://127.0.0.1:3000")
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return fmt.Errorf("must begin with http:// or https://")
	}
	*a = append(*a, u.Scheme+"://"+u.Host)
	return nil
}

// isTerminal tells whether a person looks at it.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
