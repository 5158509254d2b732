package main

import (
	"runtime"

	"github.com/halobestie/bestie-gateway/core"
)

// machine is what an instance is given of the machine that it runs on.
type machine struct {
	clock core.Clock
	loops int  // event loops that keep their processors; 0: as many as there are processors, shared with everything else
	alone bool // the process is this instance and nothing else: its memory is the instance's to tune
}

// wholeMachine is for a process that is one instance and nothing else. Each event loop keeps a processor (in the scheduler's sense)
// while it waits a little for more, and the rest of the program gets as many again. Measured on two cores, 5,000 heartbeats
// with their acks a second over 1,000 sockets: 36 µs of CPU each with loops that share, 21 µs with loops that keep.
func wholeMachine() machine {
	loops := runtime.GOMAXPROCS(0)
	if loops > runtime.NumCPU() {
		return machine{clock: core.SystemClock, loops: loops / 2, alone: true} // done before, in this process
	}
	runtime.GOMAXPROCS(2 * loops)
	return machine{clock: core.SystemClock, loops: loops, alone: true}
}
