package main

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/halobestie/bestie-gateway/core"
)

// trial is one thing that goes wrong under load.
type trial struct {
	name           string
	run            func(a *arena)
	breaksPostgres bool
}

// trials lists all of them.
func trials() []trial {
	return slices.Concat(valkeyTrials(), postgresTrials(), instanceTrials())
}

// Stores and instances break while a crowd uses them, and nothing that anybody was promised is lost. The short form, with
// scaled times, is part of the tests; CHAOS=long has the real ones (make chaos), CHAOS_SEED the seeds to run, CHAOS_ONLY a
// part of the names.
func TestChaos(t *testing.T) {
	t.Parallel()
	x, seeds := shortTimes, []uint64{rand.Uint64()}
	if os.Getenv("CHAOS") == "long" {
		x = longTimes
	}
	if list := os.Getenv("CHAOS_SEED"); list != "" {
		seeds = nil
		for _, text := range strings.Split(list, ",") {
			seed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("CHAOS_SEED: %v", err)
			}
			seeds = append(seeds, seed)
		}
	}
	for _, seed := range seeds {
		for _, one := range trials() {
			if !strings.Contains(one.name, os.Getenv("CHAOS_ONLY")) {
				continue
			}
			t.Run(one.name, func(t *testing.T) {
				t.Parallel()
				one.run(newArena(t, x, seed, one.breaksPostgres))
			})
		}
	}
}

// inside starts both instances in this process.
func (a *arena) inside() {
	a.a.startInside(core.SystemClock)
	a.b.startInside(core.SystemClock)
}
