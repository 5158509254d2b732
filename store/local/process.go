package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// logTail is how many bytes of what a process said an error shows.
const logTail = 1200

// command is a child to be started.
type command struct {
	path    string   // the file
	args    []string // args[0] included: valkey's one binary chooses its role by it
	env     []string // added to ours
	dir     string
	as      *account // nil: as ourselves
	log     string   // file that takes stdout and stderr
	inherit *os.File // stays open in the child and all that it starts: the children's lock
	orphan  syscall.Signal
}

// process is a started child. One goroutine owns it: it starts the child, keeps the thread that started it (the kernel
// ties the death signal to that thread), waits for the child and then closes done.
type process struct {
	pid  int
	done chan struct{}
	err  error // of Wait; to be read after done
}

// startProcess returns when the child runs or could not be started.
func startProcess(c command) (*process, error) {
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := &exec.Cmd{
		Path: c.path, Args: c.args, Dir: c.dir, Env: append(os.Environ(), c.env...),
		Stdout: out, Stderr: out, SysProcAttr: attributes(c.as, c.orphan),
	}
	if c.inherit != nil {
		cmd.ExtraFiles = []*os.File{c.inherit}
	}

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, after the child
		defer close(p.done)
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", c.path, err)
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts a child that ends by itself, waits for it and gives what it said. It dies with ctx and with us.
func run(ctx context.Context, c command) (said []byte, err error) {
	c.orphan = syscall.SIGTERM
	p, err := startProcess(c)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		err = p.err
	case <-ctx.Done():
		_ = p.signalAll(syscall.SIGKILL)
		<-p.done
		err = ctx.Err()
	}
	said, readErr := os.ReadFile(c.log)
	if err != nil {
		return said, fmt.Errorf("%s: %w: %s", c.args[0], err, tail(said))
	}
	return said, readErr
}

// tail is the end of what a process said, short enough for an error.
func tail(said []byte) []byte { return bytes.TrimSpace(said[max(0, len(said)-logTail):]) }

// running tells whether the child has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig to the child alone. A child that has ended is no error.
func (p *process) signal(sig syscall.Signal) error {
	if !p.running() {
		return nil
	}
	return signalPID(p.pid, sig)
}

// signalAll sends sig to the child and to everything that it has started. The child is frozen first, so that it cannot
// start more meanwhile.
func (p *process) signalAll(sig syscall.Signal) error {
	if !p.running() {
		return nil
	}
	return signalTree(p.pid, sig)
}

func signalTree(pid int, sig syscall.Signal) error {
	if err := signalPID(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	kids, err := children(pid)
	if err != nil {
		return err
	}
	for _, kid := range kids {
		if err := signalPID(kid, sig); err != nil {
			return err
		}
	}
	return signalPID(pid, sig)
}

func signalPID(pid int, sig syscall.Signal) error {
	err := syscall.Kill(pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
