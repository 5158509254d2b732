// Command bestie is the gateway of Halo Bestie and everything around it in one binary: it serves, prepares its stores,
// checks its configuration, and simulates its users. `bestie help` lists the commands, `bestie help <command>` teaches one.
//
// This is the only place that knows what is behind each port of core. Files:
//
//	main, command         which command is meant, and how it is told of
//	config/               settings from the environment
//	program, wiring       an instance: built floor by floor, started in order, stopped in reverse
//	parts                 the pieces that run, each with its end
//	telemetry/            their counters for Prometheus
//	serve, dev            an instance for real, and one with everything it needs (den, banner)
//	stores, token, sim, tools   the other commands
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

// What the process ends with.
const (
	exitDone   = 0
	exitFailed = 1 // it was tried and failed; for sim also: an invariant was broken
	exitMisuse = 2 // asked wrongly: command line or settings
)

func main() {
	ctx, stop := signals()
	code := run(ctx, os.Args[1:], &shell{environ: os.Environ(), out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// signals gives a context that ends with the first SIGINT or SIGTERM: commands then finish what they are about. A second
// signal ends the process at once, as if nobody handled it.
func signals() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// shell is what a command sees of the world.
type shell struct {
	environ []string
	out     io.Writer // what was asked for
	err     io.Writer // everything else: progress, log, complaints
}

// run carries out one command line and tells the exit code.
func run(ctx context.Context, args []string, sh *shell) int {
	err := perform(ctx, args, sh)
	var usage *usageError
	var mistakes config.Mistakes
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage), errors.As(err, &mistakes):
		fmt.Fprintf(sh.err, "bestie: %v\n", err)
		return exitMisuse
	default:
		fmt.Fprintf(sh.err, "bestie: %v\n", err)
		return exitFailed
	}
}
