package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/halobestie/bestie-gateway/bench/load"
)

func TestMain(m *testing.M) {
	if load.IsWorker() {
		os.Exit(load.WorkerMain())
	}
	if len(os.Args) == 4 && os.Args[1] == serveCommand {
		if serve(os.Args[2], os.Args[3]) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every server that is part of this program does the work, in a few hundred milliseconds.
func TestPeersDoTheWork(t *testing.T) {
	for _, p := range peers() {
		if p.serve == nil {
			continue // needs Node.js
		}
		t.Run(p.name, func(t *testing.T) {
			target, stop, err := startPeer(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stop() }()
			target.Name = p.name
			bench, err := load.NewBench(t.Context(), target, load.Sizes{
				IdleFrom: 5, IdleTo: 20, Busy: 20, Audience: 20, Rate: 200, Length: 200 * time.Millisecond,
				Settle: time.Millisecond, EventEvery: 60 * time.Millisecond,
			}, 2, new(bytes.Buffer))
			if err != nil {
				t.Fatal(err)
			}
			if err := bench.Run("idle", "fan-out", "echo"); err != nil {
				t.Fatal(err)
			}
			if err := bench.Close(); err != nil {
				t.Fatal(err)
			}
			result := bench.Result()
			if events, _ := result.Value("fan-out/events"); events < 2 {
				t.Errorf("%v events each", events)
			}
			for _, note := range result.Notes {
				if strings.Contains(note, "ended") { // others tell of a machine that has no time
					t.Error(note)
				}
			}
		})
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 8, 9, 125, 126, 3000} {
		payload := bytes.Repeat([]byte("abc"), n)[:n]
		data := ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(bytes.Clone(payload))))
		opcode, got, rest, whole := cutFrame(append(bytes.Clone(data), 'x'))
		if !whole || opcode != opBinary || !bytes.Equal(got, payload) || string(rest) != "x" {
			t.Errorf("%d bytes: %v %x %q %q", n, whole, opcode, got, rest)
		}
		if _, _, _, whole := cutFrame(data[:len(data)-1]); whole {
			t.Errorf("%d bytes: not whole", n)
		}
	}
	if frame, err := ws.ReadFrame(bytes.NewReader(appendFrame(nil, opPong, []byte("hi")))); err != nil || string(frame.Payload) != "hi" {
		t.Error(frame, err)
	}
}

// The example of RFC 6455, 1.3.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	request := "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nA: b\r\n\r\nrest"
	response, rest := upgrade(nil, []byte(request))
	if !strings.Contains(string(response), "Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") || string(rest) != "rest" {
		t.Errorf("%s, rest %q", response, rest)
	}
	if response, _ := upgrade(nil, []byte(request[:40])); response != nil {
		t.Errorf("answered half a request: %s", response)
	}
}

func TestDialects(t *testing.T) {
	t.Parallel()
	if d := plain(); len(d.Request) != requestBytes || len(d.Triggers[0]) != eventBytes {
		t.Error(len(d.Request), len(d.Triggers[0]))
	}
	d := centrifugeDialect()
	for _, m := range append([][]byte{d.Hello, d.Subscribe, d.Request, d.OneWay}, d.Triggers...) {
		if length, n := binary.Uvarint(m); int(length) != len(m)-n {
			t.Errorf("%x says %d", m, length)
		}
	}
	if len(d.Request) < requestBytes-3 || len(d.Request) > requestBytes+3 {
		t.Error(len(d.Request))
	}
}

func sample(server string, cpu float64) load.Result {
	return load.Result{Server: server, Figures: []load.Figure{{Key: "echo/cpu", Unit: "µs", Value: cpu}}}
}

func TestReport(t *testing.T) {
	t.Parallel()
	rounds := [][]load.Result{
		{sample(floorName, 10), sample(oursName, 12)},
		{sample(floorName, 20), sample(oursName, 40)},
		{sample(floorName, 10), sample(oursName, 13)},
	}
	rounds[1][1].Notes = []string{"echo: odd"}
	r := newReport(rounds, []contender{{name: floorName, about: "bytes"}, {name: oursName, about: "all"}})
	if got := r.median(oursName, "echo/cpu"); got != 13 {
		t.Error(got)
	}
	if got := r.ratio(oursName, "echo/cpu", floorName, "echo/cpu"); got != 1.3 {
		t.Error(got)
	}
	if !math.IsNaN(r.median("nobody", "echo/cpu")) || !math.IsNaN(r.ratio("nobody", "echo/cpu", floorName, "echo/cpu")) {
		t.Error("nobody has figures")
	}
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| heartbeat and ack at the full rate, by the floor's | 1.50 × | 1.30 | reached |", "not measured", "- bestie, echo: odd", "| bestie | – |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	rounds[1][0].Figures = append(rounds[1][0].Figures, load.Figure{Key: "echo/offered", Value: 0.4})
	if got := r.ratio(oursName, "echo/cpu", floorName, "echo/cpu"); got != 1.25 {
		t.Error("a round without the load counts:", got)
	}
	if median([]float64{4, 1, 3, 2}) != 2.5 {
		t.Error("the median of an even number is the middle of two")
	}
}
