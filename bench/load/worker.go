package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// workerMark is the environment variable that makes a process a worker.
const workerMark = "BESTIE_LOAD_WORKER"

// IsWorker tells whether this process was started as a worker of a Crew; main must then call WorkerMain and nothing else.
func IsWorker() bool { return os.Getenv(workerMark) != "" }

// WorkerMain works until its standard input ends, and gives the exit code.
func WorkerMain() int {
	debug.SetGCPercent(400) // a collection in the middle of a measurement would be the worker's own delay
	if err := work(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load worker:", err)
		return 1
	}
	return 0
}

// answer is a line that a worker writes.
type answer struct {
	Progress *Progress `json:"progress,omitempty"`
	Report   *Report   `json:"report,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// work reads a Setup, then tasks, and reports each.
func work(in io.Reader, out io.Writer) error {
	requests, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var setup Setup
	if err := requests.Decode(&setup); err != nil {
		return fmt.Errorf("read the setup: %w", err)
	}
	swarm, err := newSwarm(setup)
	if err != nil {
		return errors.Join(err, answers.Encode(answer{Error: err.Error()}))
	}
	defer swarm.close()
	if err := answers.Encode(answer{Report: &Report{}}); err != nil {
		return err
	}
	for {
		var task Task
		if err := requests.Decode(&task); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a task: %w", err)
		}
		report, err := swarm.do(task, func(p Progress) { _ = answers.Encode(answer{Progress: &p}) })
		if err != nil {
			return errors.Join(err, answers.Encode(answer{Error: err.Error()}))
		}
		if err := answers.Encode(answer{Report: &report}); err != nil {
			return err
		}
	}
}
