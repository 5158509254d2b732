package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/core"
)

// stand is one instance in the arena and its own ways to the stores, which can be cut without touching the other's.
type stand struct {
	arena            *arena
	postgres, valkey *fault.Proxy
	valkeyURL        string // by way of the proxy
	public, internal string

	inside *instance // in this process; nil: outside
	child  *exec.Cmd // a process of its own: the test's binary as bestie (asBestie)
	said   *said
	gone   chan error // the child's end
}

// asBestie, set in the environment, turns the test's binary into bestie: what is killed and frozen must be a process of its own.
const asBestie = "BESTIE_TEST_AS_BESTIE"

// newStand makes the ways and starts nothing.
func (a *arena) newStand() *stand {
	s := &stand{arena: a}
	s.postgres, s.valkey = a.proxy(a.databaseURL), a.proxy(a.valkey.URL())
	s.valkeyURL = through(a.valkey.URL(), s.valkey)
	return s
}

// proxy leads to the host of a URL.
func (a *arena) proxy(to string) *fault.Proxy {
	u, err := url.Parse(to)
	require.NoError(a.t, err)
	p, err := fault.Listen(u.Host)
	require.NoError(a.t, err)
	a.t.Cleanup(p.Close)
	return p
}

// through is a URL by way of a proxy.
func through(to string, p *fault.Proxy) string {
	u, err := url.Parse(to)
	if err != nil {
		panic(err) // it was parsed before
	}
	u.Host = p.Addr()
	return u.String()
}

// settings are the arena's times, and the stand's ways to the stores.
func (s *stand) settings() []string {
	return append([]string{
		"DATABASE_URL=" + through(s.arena.databaseURL, s.postgres), "VALKEY_URL=" + s.valkeyURL,
		"DATABASE_MAX_CONNS=6", "DRAIN_SECONDS=2",
	}, s.arena.times.settings()...)
}

// startInside runs the instance in this process, on a machine with that clock.
func (s *stand) startInside(clock core.Clock) {
	s.inside = s.arena.world.instanceAt(clock, s.settings()...)
	s.public, s.internal = s.inside.program.PublicAddr().String(), s.inside.program.InternalAddr().String()
}

// readyLine is what a starting instance says.
var readyLine = regexp.MustCompile(`msg=ready public=(\S+) internal=(\S+)`)

// startOutside runs the instance as a process of its own.
func (s *stand) startOutside() {
	t := s.arena.t
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s.child, s.said, s.gone = exec.Command(self, "serve"), newSaid(), make(chan error, 1)
	public, internal := cmp.Or(s.public, "127.0.0.1:0"), cmp.Or(s.internal, "127.0.0.1:0") // a second time: where it was
	s.child.Env = append(append(os.Environ(), asBestie+"=1",
		"AUTH_JWT_SECRET="+secret, "PUBLIC_ADDR="+public, "INTERNAL_ADDR="+internal,
		"ALLOW_DEV_PROVIDERS=true", "ENABLE_TEST_ROUTES=true", "LOG_FORMAT=text", "LOG_LEVEL=info"), s.settings()...)
	s.child.Stdout, s.child.Stderr = s.said, s.said
	require.NoError(t, s.child.Start())
	go func(child *exec.Cmd, gone chan error) { gone <- child.Wait() }(s.child, s.gone)
	child, gone := s.child, s.gone
	t.Cleanup(func() { end(child, gone) })
	ready, ok := s.said.await(readyLine)
	require.True(t, ok, "the instance does not start: %s", s.said)
	s.public, s.internal = ready[1], ready[2]
}

// signal sends a signal to the process.
func (s *stand) signal(sig syscall.Signal) {
	require.NoError(s.arena.t, s.child.Process.Signal(sig))
}

// kill ends the process at once, whatever it does, and waits for its end.
func (s *stand) kill() { end(s.child, s.gone) }

func end(child *exec.Cmd, gone chan error) {
	_ = child.Process.Kill() // it may have ended
	<-gone
	gone <- nil // for a second call
}

// degraded is what of the instance is out, as its internal readiness tells.
func (s *stand) degraded() (parts []string) {
	t := s.arena.t
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.internal+"/readyz", nil)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, "a store that is out is out for all: the instance gets traffic")
	var ready struct {
		Parts []struct {
			Name string
			OK   bool
		}
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&ready))
	for _, part := range ready.Parts {
		if !part.OK {
			parts = append(parts, part.Name)
		}
	}
	return parts
}

// ends waits for the process and gives its exit code and how long that took.
func (s *stand) ends() (code int, took time.Duration) {
	began := time.Now()
	select {
	case err := <-s.gone:
		s.gone <- err
	case <-time.After(patience):
		require.FailNow(s.arena.t, "the process does not end", "%s", s.said)
	}
	return s.child.ProcessState.ExitCode(), time.Since(began)
}

// said is what a process writes.
type said struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed and replaced with every write
}

func newSaid() *said { return &said{more: make(chan struct{})} }

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.more)
	s.more = make(chan struct{})
	return s.text.Write(p)
}

// String is all of it.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits for a line.
func (s *said) await(line *regexp.Regexp) (match []string, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	for {
		s.mu.Lock()
		match, more := line.FindStringSubmatch(s.text.String()), s.more
		s.mu.Unlock()
		if match != nil {
			return match, true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, false
		}
	}
}
