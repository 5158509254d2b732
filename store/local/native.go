package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	startPatience = time.Minute          // for a start whose context sets no limit; recovery after a crash included
	stopPatience  = 10 * time.Second     // for a gentle stop, before kill -9
	readyPoll     = 5 * time.Millisecond // how often a starting server is asked whether it is ready
	firstPort     = 20000                // ports below the range from which kernels pick for outgoing connections,
	portCount     = 12000                // so that nobody takes ours between Kill and Start
	portTries     = 50
)

// native is a store run as a child of ours.
type native struct {
	place   *place
	command command
	gentle  syscall.Signal
	// clear removes what a crashed run left that would stop the next; nobody runs in the folder when it is called.
	clear func() error
	// ready tells whether the child, whose number is pid, answers.
	ready func(ctx context.Context, pid int) bool

	child *process
}

func (n *native) start(ctx context.Context) error {
	switch {
	case n.place.owner == nil:
		return errors.New("it was stopped for good")
	case n.child != nil && n.child.running():
		return errors.New("it runs already")
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startPatience)
		defer cancel()
	}
	children, err := waitLock(ctx, n.place.file(childrenName), nil)
	if err != nil {
		return err
	}
	defer children.Close() // from here on the children hold it
	if err := n.clear(); err != nil {
		return err
	}
	n.command.inherit = children
	if n.child, err = startProcess(n.command); err != nil {
		return err
	}
	pid := strconv.Itoa(n.child.pid)
	if err := os.WriteFile(n.place.file(pidName), []byte(pid+"\n"), 0o600); err != nil {
		n.end(syscall.SIGKILL)
		return err
	}
	return n.awaitReady(ctx)
}

func (n *native) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if n.ready(ctx, n.child.pid) {
			return nil
		}
		select {
		case <-n.child.done:
			return n.failed(n.child.err)
		case <-ctx.Done():
			n.end(syscall.SIGKILL)
			return n.failed(ctx.Err())
		case <-tick.C:
		}
	}
}

// failed is err with the last lines of what the server said.
func (n *native) failed(err error) error {
	said, readErr := os.ReadFile(n.command.log)
	if readErr != nil {
		return err
	}
	return fmt.Errorf("%w: %s", err, tail(said))
}

func (n *native) kill() error {
	if err := n.child.signalAll(syscall.SIGKILL); err != nil {
		return err
	}
	<-n.child.done
	return nil
}

func (n *native) pause() error  { return n.child.signalAll(syscall.SIGSTOP) }
func (n *native) resume() error { return n.child.signalAll(syscall.SIGCONT) }

func (n *native) close() {
	if n.child != nil {
		n.end(n.gentle)
	}
	n.place.release()
}

// end stops the child by sig and returns when none of its processes is left; one that does not obey is killed.
func (n *native) end(sig syscall.Signal) {
	_ = n.child.signalAll(syscall.SIGCONT) // a frozen one cannot obey
	_ = n.child.signal(sig)
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-n.child.done:
	case <-patience.C:
		_ = n.child.signalAll(syscall.SIGKILL)
		<-n.child.done
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if children, err := waitLock(ctx, n.place.file(childrenName), nil); err == nil {
		children.Close()
	}
}

// onFreePort calls start with want, or with a port that nobody listens on. Somebody may take that one between the choice
// and the start: then another is tried.
func onFreePort(want int, start func(port int) error) error {
	if want != 0 {
		return start(want)
	}
	var err error
	for range portTries {
		port := firstPort + rand.IntN(portCount)
		if !free(port) {
			continue
		}
		if err = start(port); err == nil || free(port) {
			return err
		}
	}
	return fmt.Errorf("no free port on 127.0.0.1: %w", err)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	return err == nil && listener.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
