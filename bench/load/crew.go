package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/bench/kernel"
)

// Crew is workers that do one task at a time together. Its methods are for one goroutine.
type Crew struct {
	members []*member
	tell    func(Progress)

	mu   sync.Mutex
	told []Progress // by worker
}

// member is a worker as its crew sees it.
type member struct {
	command *exec.Cmd
	in      io.WriteCloser
	tasks   *json.Encoder
	answers *json.Decoder
}

// Hire starts workers: this program again, see IsWorker. tell, which may be nil, hears of the crew's progress a few times a
// second, from any goroutine.
func Hire(ctx context.Context, workers int, setup Setup, tell func(Progress)) (*Crew, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	c := &Crew{tell: tell, told: make([]Progress, workers)}
	for i := range workers {
		m := &member{command: exec.CommandContext(ctx, program)}
		m.command.Env = append(os.Environ(), workerMark+"=1")
		m.command.Stderr = os.Stderr
		in, err := m.command.StdinPipe()
		if err != nil {
			return nil, errors.Join(err, c.Dismiss())
		}
		out, err := m.command.StdoutPipe()
		if err != nil {
			return nil, errors.Join(err, c.Dismiss())
		}
		m.in, m.tasks, m.answers = in, json.NewEncoder(in), json.NewDecoder(out)
		if err := m.command.Start(); err != nil {
			return nil, errors.Join(fmt.Errorf("load: start a worker: %w", err), c.Dismiss())
		}
		c.members = append(c.members, m)
		setup.Worker, setup.Workers = i, workers
		if err := m.tasks.Encode(setup); err != nil {
			return nil, errors.Join(fmt.Errorf("load: set a worker up: %w", err), c.Dismiss())
		}
	}
	if _, err := c.gather(); err != nil {
		return nil, errors.Join(err, c.Dismiss())
	}
	return c, nil
}

// soon is how far ahead a task's start is set: all workers must have read it by then.
const soon = 30 * time.Millisecond

// Do has a task done. It starts at once unless it says when.
func (c *Crew) Do(task Task) (Report, error) {
	if task.Start == 0 {
		task.Start = kernel.Now() + soon
	}
	for _, m := range c.members {
		if err := m.tasks.Encode(task); err != nil {
			return Report{}, fmt.Errorf("load: give a task: %w", err)
		}
	}
	return c.gather()
}

// gather waits for all reports and adds them up.
func (c *Crew) gather() (Report, error) {
	reports, errs := make([]*Report, len(c.members)), make([]error, len(c.members))
	var all sync.WaitGroup
	for i, m := range c.members {
		all.Go(func() { reports[i], errs[i] = c.listen(i, m) })
	}
	all.Wait()
	var sum Report
	for _, report := range reports {
		if report != nil {
			sum.add(report)
		}
	}
	return sum, errors.Join(errs...)
}

// listen reads one worker's lines up to its report.
func (c *Crew) listen(i int, m *member) (*Report, error) {
	for {
		var line answer
		if err := m.answers.Decode(&line); err != nil {
			return nil, fmt.Errorf("load: worker %d: %w", i, err)
		}
		switch {
		case line.Error != "":
			return nil, fmt.Errorf("load: worker %d: %s", i, line.Error)
		case line.Report != nil:
			return line.Report, nil
		case line.Progress != nil:
			c.progress(i, *line.Progress)
		}
	}
}

func (c *Crew) progress(i int, p Progress) {
	c.mu.Lock()
	c.told[i] = p
	var sum Progress
	for _, of := range c.told {
		sum.Open += of.Open
		sum.Sent += of.Sent
		sum.Answered += of.Answered
		sum.Events += of.Events
	}
	c.mu.Unlock()
	if c.tell != nil {
		c.tell(sum)
	}
}

// Dismiss ends the workers, and with them their connections.
func (c *Crew) Dismiss() error {
	var errs []error
	for _, m := range c.members {
		m.in.Close()
	}
	for _, m := range c.members {
		errs = append(errs, m.command.Wait())
	}
	return errors.Join(errs...)
}
