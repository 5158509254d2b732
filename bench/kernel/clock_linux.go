package kernel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clockOf reads a process's clock of processor time: its number is made from the process's, see clock_getcpuclockid(3).
func clockOf(pid int) (time.Duration, error) {
	const scheduled = 2
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &at); err != nil {
		return 0, fmt.Errorf("kernel: clock of process %d: %w", pid, err)
	}
	return time.Duration(at.Nano()), nil
}

// Now is the machine's monotonic clock, the same in all processes.
func Now() time.Duration {
	var at unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &at) // it exists
	return time.Duration(at.Nano())
}
