package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/bench/load"
)

// peer is another server: a function of this program, run in a process of its own, or another program.
type peer struct {
	name    string
	about   string // what it is, and how it is tuned
	serve   func(addr string) error
	command func(addr string) (*exec.Cmd, error) // instead of serve
	dialect func() load.Dialect

	scenarios []string // nil: all
}

// peers are all, the floor first.
func peers() []peer {
	return []peer{
		{name: floorName, about: "raw epoll in Go, bytes only: two loops, a listener each, raw system calls, waiting as the gateway does but for its naps, no queue for slow readers", serve: func(addr string) error { return serveFloor(addr, 2) }, dialect: plain},
		{name: floorOneName, about: "`floor` with one loop", serve: func(addr string) error { return serveFloor(addr, 1) }, dialect: plain, scenarios: oneLoopScenarios},
		{name: "gws", about: "lxzan/gws 1.8.9, its own server without net/http, no parallel mode, broadcaster", serve: serveGWS, dialect: plain},
		{name: "gnet", about: "gnet 2.9.5 under the floor's frame parser; multicore, reuse port", serve: serveGnet, dialect: plain},
		{name: "nbio", about: "nbio 1.6.6, non-blocking mode, payloads released", serve: serveNbio, dialect: plain},
		{name: "gorilla", about: "gorilla/websocket 1.5.3, small buffers, write buffers pooled, prepared messages", serve: serveGorilla, dialect: plain},
		{name: "coder", about: "coder/websocket 1.8.15, compression off", serve: serveCoder, dialect: plain},
		{name: "centrifuge", about: "centrifuge 0.40.1, protobuf, write buffers pooled, pings off", serve: serveCentrifuge, dialect: centrifugeDialect},
		{name: "ws-node", about: "ws 8 on Node.js, no compression, one process", command: nodeCommand, dialect: plain},
	}
}

// What clients send to all peers but centrifuge: the first byte says what is wanted.
const (
	wantsAnswer    = 'A'
	wantsNothing   = 'O'
	wantsBroadcast = 'B'

	requestBytes = 32
	answerBytes  = 16
	eventBytes   = 64
)

func plain() load.Dialect {
	return load.Dialect{
		Path: "/ws", Request: message(wantsAnswer, requestBytes), OneWay: message(wantsNothing, 3),
		Answer: []byte{wantsAnswer}, Event: []byte{wantsBroadcast}, Triggers: [][]byte{message(wantsBroadcast, eventBytes)},
	}
}

// message is one of a kind and a length.
func message(kind byte, length int) []byte {
	return append([]byte{kind}, strings.Repeat(".", length-1)...)
}

// serveCommand makes this program a server: serve <name> <addr>.
const serveCommand = "serve"

// serve runs one server of this program and answers, on its standard input, what heap it uses.
func serve(name, addr string) error {
	for _, p := range peers() {
		if p.name == name && p.serve != nil {
			go control(os.Stdin, os.Stdout)
			return p.serve(addr)
		}
	}
	return fmt.Errorf("there is no server %q", name)
}

// control answers each line with the bytes in use after a collection; the process ends with its input.
func control(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintln(out, m.HeapInuse+m.StackInuse)
	}
	os.Exit(0)
}

// startPeer starts a server's process and waits until it listens.
func startPeer(ctx context.Context, p peer) (target load.Target, stop func() error, err error) {
	addr, err := freeAddress()
	if err != nil {
		return target, nil, err
	}
	var command *exec.Cmd
	if p.command != nil {
		if command, err = p.command(addr); err != nil {
			return target, nil, err
		}
	} else {
		program, err := os.Executable()
		if err != nil {
			return target, nil, err
		}
		command = exec.Command(program, serveCommand, p.name, addr)
	}
	in, err := command.StdinPipe()
	if err != nil {
		return target, nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return target, nil, err
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return target, nil, err
	}
	stop = func() error {
		in.Close()
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
		return nil
	}
	answers := bufio.NewScanner(out)
	target = load.Target{PID: command.Process.Pid, Targets: []string{addr}, Dialect: p.dialect(), Heap: func() (int64, error) {
		if _, err := fmt.Fprintln(in, "heap"); err != nil {
			return 0, err
		}
		for answers.Scan() {
			if heap, err := strconv.ParseInt(strings.TrimSpace(answers.Text()), 10, 64); err == nil {
				return heap, nil // what is no number is the server's own log
			}
		}
		return 0, fmt.Errorf("%s does not tell its heap: %w", p.name, answers.Err())
	}}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return target, stop, nil
		}
		if ctx.Err() != nil || time.Since(began) > 10*time.Second {
			_ = stop()
			return target, nil, fmt.Errorf("%s does not listen: %w", p.name, err)
		}
	}
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
