// Package kernel reads what the kernel knows of another process: the processor time that it used, by its own clock, and its
// memory; and how busy the machine is. No figure comes from the process itself, so that all servers are measured alike.
package kernel

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory is a process's, in bytes.
type Memory struct {
	Resident  int64 `json:"resident"`  // all pages that are there
	Anonymous int64 `json:"anonymous"` // without those of files: heap and stacks
}

// CPU is processor time. User and System come in the kernel's ticks of 10 ms; Total is exact.
type CPU struct {
	Total  time.Duration `json:"total"`
	User   time.Duration `json:"user"`
	System time.Duration `json:"system"`
}

// Minus is what was used since an earlier look.
func (c CPU) Minus(earlier CPU) CPU {
	return CPU{c.Total - earlier.Total, c.User - earlier.User, c.System - earlier.System}
}

// MemoryOf looks at a process.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("kernel: %w", err)
	}
	resident, err := kilobytes(text, "Rss:")
	if err != nil {
		return Memory{}, err
	}
	anonymous, err := kilobytes(text, "Anonymous:")
	return Memory{resident, anonymous}, err
}

// kilobytes finds a line such as "Rss: 12 kB".
func kilobytes(text []byte, name string) (int64, error) {
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) == 3 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("kernel: no line %s", name)
}

// ResidentOf is the resident memory alone, which costs little even of a large process.
func ResidentOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("kernel: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("kernel: statm of %d fields", len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// CPUOf is what a process has used since its start, all threads together, also those that ended.
func CPUOf(pid int) (CPU, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, fmt.Errorf("kernel: %w", err)
	}
	user, system, err := ticks(text)
	if err != nil {
		return CPU{}, err
	}
	total, err := clockOf(pid)
	return CPU{total, user, system}, err
}

// tick is the unit of times in stat, the same on every Linux.
const tick = 10 * time.Millisecond

// ticks reads utime and stime: the 14th and 15th field, counted behind the name, which may hold anything.
func ticks(stat []byte) (user, system time.Duration, err error) {
	_, behind, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	fields := bytes.Fields(behind)
	if !found || len(fields) < 13 {
		return 0, 0, fmt.Errorf("kernel: stat of %d fields", len(fields))
	}
	u, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("kernel: %w", err)
	}
	s, err := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(u) * tick, time.Duration(s) * tick, err
}

// Children lists the processes that a process started, and theirs.
func Children(pid int) (all []int) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(append(all, child), Children(child)...)
			}
		}
	}
	return all
}

// Name is a process's short name, "" when it is gone.
func Name(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

// LoadAverage is how many tasks wanted the machine's processors in the last minute; 0 where the kernel does not tell.
func LoadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var load float64
	_, _ = fmt.Sscan(string(text), &load)
	return load
}
