// Package subject runs the real program to be measured: built from this module, with a Postgres and a Valkey of its own, on ports
// that nobody else has, and with tokens as any user has them.
//
//	Build ─► Start (bestie dev) ─► Tokens (bestie token), Another (bestie serve on the same stores) … ─► Stop
package subject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/bench/load"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Gateway is one running instance.
type Gateway struct {
	Public   string // host:port
	Internal string
	PID      int
	Dir      string // dev's: stores, secrets, logs; all instances'

	program string
	command *exec.Cmd
	log     *os.File
}

// module is ours.
const module = "github.com/halobestie/bestie-gateway"

// Build compiles the program into a folder. The working directory must be in this module, or in one that uses it from where it
// lies.
func Build(ctx context.Context, dir string) (program string, err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the module %s: %w", module, err)
	}
	program = filepath.Join(dir, "bestie")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/bestie")
	build.Dir = strings.TrimSpace(string(root)) // not as a dependency of another module: that one knows not what it needs
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	return program, nil
}

// settings are what a load from one machine needs: the storm guard is for addresses of the outside world.
func settings(public, internal string) []string {
	return []string{
		"PUBLIC_ADDR=" + public, "INTERNAL_ADDR=" + internal, "LOG_LEVEL=warn", "DRAIN_SECONDS=0",
		"WS_ACCEPTS_PER_SECOND=1000000", "ACCESS_TOKEN_TTL_SECONDS=86400",
		"DATABASE_URL=", "VALKEY_URL=", // not the caller's: dev's own
	}
}

// Start runs `bestie dev` in a folder, which it keeps its data in, and returns when it answers.
func Start(ctx context.Context, program, dir string, more ...string) (*Gateway, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { // Postgres may run as another user
		return nil, err
	}
	g := &Gateway{Dir: dir, program: program}
	return g, g.run(ctx, more, "dev", "--dir", dir)
}

// Another runs one more instance on the stores of the first.
func (g *Gateway) Another(ctx context.Context, more ...string) (*Gateway, error) {
	text, err := os.ReadFile(filepath.Join(g.Dir, "running.json"))
	if err != nil {
		return nil, err
	}
	var note struct {
		Environ []string `json:"environ"`
	}
	if err := json.Unmarshal(text, &note); err != nil {
		return nil, fmt.Errorf("the note of the running gateway: %w", err)
	}
	other := &Gateway{Dir: g.Dir, program: g.program}
	return other, other.run(ctx, append(append(note.Environ, "ALLOW_DEV_PROVIDERS=true"), more...), "serve")
}

// startPatience is for a start that may have to fetch a store first.
const startPatience = 3 * time.Minute

func (g *Gateway) run(ctx context.Context, more []string, args ...string) error {
	var err error
	if g.Public, err = freeAddress(); err != nil {
		return err
	}
	if g.Internal, err = freeAddress(); err != nil {
		return err
	}
	if g.log, err = os.CreateTemp(g.Dir, "log-"); err != nil {
		return err
	}
	g.command = exec.Command(g.program, args...)
	g.command.Env = append(append(os.Environ(), settings(g.Public, g.Internal)...), more...)
	g.command.Stdout, g.command.Stderr = g.log, g.log
	if err := g.command.Start(); err != nil {
		return fmt.Errorf("start the gateway: %w", err)
	}
	g.PID = g.command.Process.Pid
	ended := make(chan struct{})
	go func() {
		_ = g.command.Wait()
		close(ended)
	}()
	api := client.NewAPI(g.Public, g.Internal)
	defer api.Close()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for api.Alive(ctx) != nil {
		select {
		case <-ended:
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(g.log.Name())
		return errors.Join(ctx.Err(), fmt.Errorf("the gateway did not come up:\n%s", text), g.Stop())
	}
	return nil
}

// freeAddress is one that nobody listens on at the moment.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Tokens writes access tokens of as many new users to a file, one a line.
func (g *Gateway) Tokens(ctx context.Context, role protocol.Role, count int, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	command := exec.CommandContext(ctx, g.program, "token", "--user-type", string(role), "--count", strconv.Itoa(count), "--dir", g.Dir)
	command.Env = append(os.Environ(), settings(g.Public, g.Internal)...)
	command.Stdout = out
	var complaints strings.Builder
	command.Stderr = &complaints
	if err := command.Run(); err != nil {
		return fmt.Errorf("make tokens: %w: %s", err, &complaints)
	}
	return nil
}

// Target makes the instance one to be measured, with a token for each socket of the scenarios: customers, and mitras who ask.
// Tokens that an earlier run in the same folder left are used again.
func (g *Gateway) Target(ctx context.Context, s load.Sizes) (load.Target, error) {
	t := load.Target{
		Name: "bestie", PID: g.PID, Targets: []string{g.Public}, Dialect: Dialect(), Heap: g.Heap, Mallocs: g.Mallocs, TokenGap: 1,
		Tokens: filepath.Join(g.Dir, "customers.txt"), Askers: filepath.Join(g.Dir, "mitras.txt"),
	}
	return t, errors.Join(
		g.fill(ctx, protocol.RoleCustomer, max(s.IdleTo, s.Audience), t.Tokens),
		g.fill(ctx, protocol.RoleMitra, s.Busy+1, t.Askers),
	)
}

// fill makes tokens unless the file has enough of them.
func (g *Gateway) fill(ctx context.Context, role protocol.Role, count int, file string) error {
	if text, err := os.ReadFile(file); err == nil && bytes.Count(text, []byte("\n")) >= count {
		return nil
	}
	return g.Tokens(ctx, role, count, file)
}

// Metric reads one of the instance's own counters.
func (g *Gateway) Metric(name string) (float64, error) {
	api := client.NewAPI(g.Public, g.Internal)
	defer api.Close()
	text, err := api.Metrics(context.Background())
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the gateway has no metric %s", name)
}

// Heap is what the runtime has in use, garbage that was not collected yet included.
func (g *Gateway) Heap() (int64, error) {
	heap, err := g.Metric("go_memstats_heap_inuse_bytes")
	if err != nil {
		return 0, err
	}
	stack, err := g.Metric("go_memstats_stack_inuse_bytes")
	return int64(heap + stack), err
}

// Mallocs is how many objects the runtime has allocated.
func (g *Gateway) Mallocs() (int64, error) {
	mallocs, err := g.Metric("go_memstats_mallocs_total")
	return int64(mallocs), err
}

// stopPatience is how long the end may take before it is forced.
const stopPatience = 15 * time.Second

// Stop ends the instance and, if it is the first, the stores.
func (g *Gateway) Stop() error {
	if g == nil || g.command == nil || g.command.Process == nil {
		return nil
	}
	defer g.log.Close()
	_ = g.command.Process.Signal(syscall.SIGTERM)
	for deadline := time.Now().Add(stopPatience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if errors.Is(g.command.Process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			return nil
		}
	}
	return g.command.Process.Kill()
}

// padding makes a heartbeat 32 bytes long, as the other servers' requests are. The gateway ignores keys that it does not know.
const padding = "twenty-three bytes here"

// Dialect is bestie.v1.msgpack: heartbeats that want an ack, heartbeats that do not, and the number of available mitras as
// the event for all. A mitra that goes online and offline in turn changes it.
func Dialect() load.Dialect {
	const id = 7
	request := append([]byte{0x93, byte(protocol.KindHeartbeat), id, 0x81, 0xa3, 'p', 'a', 'd', 0xa0 | byte(len(padding))}, padding...)
	return load.Dialect{
		Path: "/ws", Subprotocol: protocol.Subprotocol, Greeted: true,
		Subscribe: protocol.AvailabilitySubscribe{}.Append(nil, 0),
		Request:   request,
		OneWay:    protocol.Heartbeat{}.Append(nil, 0),
		State:     protocol.StateGet{}.Append(nil, id+1),
		Answer:    protocol.Ack{}.Append(nil, id),
		Event:     protocol.Availability{Available: 1, At: 1}.Append(nil, 0)[:2],
		Triggers: [][]byte{
			protocol.PresenceSet{Mode: protocol.ModeOnline}.Append(nil, 0),
			protocol.PresenceSet{Mode: protocol.ModeOffline}.Append(nil, 0),
		},
	}
}
