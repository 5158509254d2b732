package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/bench/load"
)

// report is what several rounds came to.
type report struct {
	rounds  [][]load.Result
	servers []contender

	machine, commit, command string
	took                     time.Duration
	loads                    []float64 // load average of the machine as each server began
}

func newReport(rounds [][]load.Result, servers []contender) *report {
	return &report{rounds: rounds, servers: servers}
}

// values are a server's figure in each round that has it.
func (r *report) values(server, key string) (values []float64) {
	for _, round := range r.rounds {
		for _, result := range round {
			if v, ok := result.Value(key); ok && result.Server == server {
				values = append(values, v)
			}
		}
	}
	return values
}

// median is NaN of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func (r *report) median(server, key string) float64 { return median(r.values(server, key)) }

// enough is the part of a load that must have been offered for a ratio to mean something.
const enough = 0.9

// offered tells whether a server had the load that a figure is of.
func offered(result load.Result, key string) bool {
	scenario, _, _ := strings.Cut(key, "/")
	part, known := result.Value(scenario + "/offered")
	return !known || part >= enough
}

// ratio is the median, over the rounds in which both had the same load, of one figure by another.
func (r *report) ratio(server, key, toServer, toKey string) float64 {
	var ratios []float64
	for _, round := range r.rounds {
		var a, b float64
		var hasA, hasB bool
		for _, result := range round {
			if result.Server == server {
				a, hasA = result.Value(key)
				hasA = hasA && offered(result, key)
			}
			if result.Server == toServer {
				b, hasB = result.Value(toKey)
				hasB = hasB && offered(result, toKey)
			}
		}
		if hasA && hasB && b > 0 {
			ratios = append(ratios, a/b)
		}
	}
	return median(ratios)
}

// column is a figure in a table.
type column struct{ key, title string }

var (
	costs = []column{
		{"idle/resident", "idle socket, resident B"},
		{"idle/heap", "heap B"},
		{"idle/handshake-cpu", "handshake, new token µs"},
		{"storm/known-token-cpu", "handshake, known token µs"},
		{"handshake/new-token", "new token, without the state µs"},
		{"handshake/known-token", "known token, without the state µs"},
		{"echo/cpu", "message and answer µs"},
		{"echo-slow/cpu", "the same, a tenth of the rate µs"},
		{"one-way/cpu", "one-way message µs"},
		{"fan-out/delivery-cpu", "delivery to one of all µs"},
	}
	latencies = []column{
		{"echo/p50", "p50 ms"},
		{"echo/p99", "p99 ms"},
		{"echo/p99.9", "p99.9 ms"},
		{"echo-slow/p99", "a tenth of the rate, p99 ms"},
		{"slow-readers/p99", "beside slow readers, p99 ms"},
		{"mixed/p99", "mixed, p99 ms"},
		{"fan-out/age-p99", "fan-out, p99 ms"},
	}
	storms = []column{
		{"storm/back-after", "all back after s"},
		{"storm/reconnect-cpu", "a reconnect µs"},
		{"storm/peak-memory", "peak memory B/socket"},
		{"storm/quiet-p99", "others before, p99 ms"},
		{"storm/stayed-p99", "others meanwhile, p99 ms"},
		{"idle/cpu", "silent sockets ms/s"},
		{"mixed/cpu", "mixed ms/s"},
		{"slow-readers/memory", "slow readers MB"},
	}
)

// target is something that the gateway must reach.
type target struct {
	what  string
	limit float64
	unit  string
	value func(*report) float64
}

func byFloor(key string) func(*report) float64 {
	return func(r *report) float64 { return r.ratio(oursName, key, floorName, key) }
}

func value(key string) func(*report) float64 {
	return func(r *report) float64 { return r.median(oursName, key) }
}

func targets() []target {
	return []target{
		{"memory of an idle socket, resident", 450, "B", value("idle/resident")},
		{"handshake with a token to verify, without the state, by the floor's", 1.4, "×", byFloor("handshake/new-token")},
		{"the same, by gws'", 0.6, "×", func(r *report) float64 {
			return r.ratio(oursName, "handshake/new-token", "gws", "handshake/new-token")
		}},
		{"handshake with a known token, without the state, by the floor's", 1, "×", byFloor("handshake/known-token")},
		{"heartbeat and ack at the full rate with one loop, by the floor's with one", 1.25, "×", func(r *report) float64 {
			return r.ratio(oursOneName, "echo/cpu", floorOneName, "echo/cpu")
		}},
		{"heartbeat and ack at the full rate, by the floor's", 1.5, "×", byFloor("echo/cpu")},
		{"heartbeat and ack at a tenth of it, by the floor's", 1.5, "×", byFloor("echo-slow/cpu")},
		{"the same, by gws'", 0.5, "×", func(r *report) float64 { return r.ratio(oursName, "echo-slow/cpu", "gws", "echo-slow/cpu") }},
		{"one-way heartbeat, by the floor's", 1, "×", byFloor("one-way/cpu")},
		{"p99 at the full rate, by the floor's", 1.5, "×", byFloor("echo/p99")},
		{"fan-out, a delivery, by the floor's", 1.1, "×", byFloor("fan-out/delivery-cpu")},
		{"change of one mitra, every one of 15,000 customers told, p99 with the 250 ms of pacing", 400, "ms", value("fan-out/age-p99")},
		{"processor time of silent sockets, above that of none", 1, "ms/s", value("idle/cpu-of-sockets")},
		{"allocations a heartbeat with ack, with all that the instance does meanwhile: below one", 1, "", value("echo/allocations")},
		{"allocations a delivery of fan-out, likewise", 1, "", value("fan-out/allocations")},
		{"memory at the peak of a storm", 2048, "B/socket", value("storm/peak-memory")},
		{"all back from a storm", 10, "s", value("storm/back-after")},
		{"p99 of those that stayed, by the quiet one", 2, "×", func(r *report) float64 {
			return r.ratio(oursName, "storm/stayed-p99", oursName, "storm/quiet-p99")
		}},
	}
}

// markdown is RESULTS.md.
func (r *report) markdown(pictures []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The gateway beside other servers\n\n")
	fmt.Fprintf(&b, "Written by `%s` on %s, in %s. Do not edit: run it again.\n\n", r.command, time.Now().UTC().Format("2006-01-02"), r.took.Round(time.Second))
	fmt.Fprintf(&b, "- machine: %s\n- gateway: commit `%s`\n- %d rounds, servers in turns; medians. Processor time is the server process's own (user and system), from the kernel's clock.\n",
		r.machine, r.commit, len(r.rounds))
	if len(r.loads) > 0 && slices.Max(r.loads) > quietLoad {
		fmt.Fprintf(&b, "- the machine was not quiet: load average %.0f to %.0f, of which this measurement is about %d. Processor times bear that (somewhat higher, "+
			"since caches are shared), latencies do not: they tell who waited for a processor.\n", slices.Min(r.loads), slices.Max(r.loads), quietLoad-1)
	}
	b.WriteString("- `bestie` is the real program and does what the others do not: it verifies tokens, knows identities, keeps presence in Valkey and Postgres, " +
		"limits rates, counts. Its handshake ends with `welcome`, which holds the user's state, read from Postgres; what that part costs is measured by asking for the state again (`state.get`), as many at the same time as there were handshakes, less what a message costs to come in, and the last two columns of handshakes are without it. Subscribing to availability is no part of a handshake. Its requests come from mitras, whose heartbeats go to Valkey. Its loops nap 5 ms where events may gather: at a tenth of the rate, and while nobody is answered; what that saves costs about 2.6 ms of latency there.\n\n")
	for _, s := range r.servers {
		fmt.Fprintf(&b, "- `%s`: %s\n", s.name, s.about)
	}
	r.table(&b, "What an operation costs", costs)
	r.ratios(&b)
	r.table(&b, "Latencies", latencies)
	r.table(&b, "Storms, silence, a mixed day", storms)
	r.judge(&b)
	if len(pictures) > 0 {
		b.WriteString("\n## Pictures (the last round)\n\n")
		for _, file := range pictures {
			fmt.Fprintf(&b, "![%s](%s)\n", strings.TrimSuffix(filepath.Base(file), ".svg"), file)
		}
	}
	r.notes(&b)
	return b.String()
}

func (r *report) table(b *strings.Builder, title string, columns []column) {
	fmt.Fprintf(b, "\n## %s\n\n| server |", title)
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(columns)) + "\n")
	for _, s := range r.servers {
		fmt.Fprintf(b, "| %s |", s.name)
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", number(r.median(s.name, c.key)))
		}
		b.WriteString("\n")
	}
}

func (r *report) ratios(b *strings.Builder) {
	fmt.Fprintf(b, "\nBy the floor's of the same round:\n\n| server |")
	for _, c := range costs[2:] {
		fmt.Fprintf(b, " %s |", strings.TrimSuffix(c.title, " µs"))
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(costs)-2) + "\n")
	for _, s := range r.servers {
		fmt.Fprintf(b, "| %s |", s.name)
		for _, c := range costs[2:] {
			fmt.Fprintf(b, " %s |", number(r.ratio(s.name, c.key, floorName, c.key)))
		}
		b.WriteString("\n")
	}
}

// judge compares with what must be reached.
func (r *report) judge(b *strings.Builder) {
	b.WriteString("\n## What must be reached\n\n| target | at most | measured | |\n| --- | ---: | ---: | --- |\n")
	for _, t := range targets() {
		measured := t.value(r)
		verdict := "reached"
		switch {
		case math.IsNaN(measured):
			verdict = "not measured"
		case measured > t.limit:
			verdict = fmt.Sprintf("**missed**, %s × the limit", number(measured/t.limit))
		}
		fmt.Fprintf(b, "| %s | %s %s | %s | %s |\n", t.what, number(t.limit), t.unit, number(measured), verdict)
	}
}

func (r *report) notes(b *strings.Builder) {
	seen := map[string]bool{}
	for _, round := range r.rounds {
		for _, result := range round {
			for _, note := range result.Notes {
				line := fmt.Sprintf("- %s, %s\n", result.Server, strings.ReplaceAll(strings.TrimSpace(note), "\n", " "))
				if !seen[line] {
					if len(seen) == 0 {
						b.WriteString("\n## Seen on the way\n\n")
					}
					seen[line] = true
					b.WriteString(line)
				}
			}
		}
	}
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// write writes RESULTS.md, the figures and the pictures.
func (r *report) write(dir string) error {
	pictures := filepath.Join(dir, "pictures")
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		return err
	}
	var files []string
	var errs []error
	if len(r.rounds) > 0 {
		drawn, err := load.WritePictures(pictures, r.rounds[len(r.rounds)-1])
		errs = append(errs, err)
		for _, file := range drawn {
			files = append(files, "pictures/"+filepath.Base(file))
		}
	}
	errs = append(errs, os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(r.markdown(files)), 0o644), r.writeFigures(dir))
	return errors.Join(errs...)
}

// writeFigures keeps the figures of every round, without what the pictures show.
func (r *report) writeFigures(dir string) error {
	var all []load.Result
	for _, round := range r.rounds {
		for _, result := range round {
			all = append(all, load.Result{Server: result.Server, Figures: result.Figures, Notes: result.Notes})
		}
	}
	return load.WriteJSON(filepath.Join(dir, "results.json"), all)
}

// quietLoad is the load average up to which nobody else seems to use the machine.
const quietLoad = 4

// loadAverage is the machine's of the last minute; 0 when it is not known.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var load float64
	_, _ = fmt.Sscan(string(text), &load)
	return load
}

// machine describes where this runs.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores, %s, Linux %s, %s; clients and server share it, over loopback without TLS",
		runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version())
}
