package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrExternal is returned by the fault methods of a server that was given by the environment: it is not ours to disturb.
var ErrExternal = errors.New("local: the server is given by the environment and not ours to disturb")

// Server is one running store. Its methods may be called concurrently; they take turns.
type Server struct {
	url    string
	origin string

	mu     sync.Mutex
	engine engine
}

// engine is what runs a store: children of ours, a container, this very process, or somebody else.
type engine interface {
	// start brings it up on the address that it had before and returns when it answers.
	start(ctx context.Context) error
	kill() error
	pause() error
	resume() error
	// close stops it gently and gives back what it holds. It may be called in any state.
	close()
}

// URL is where it listens, credentials included: postgres://… or redis://….
func (s *Server) URL() string { return s.url }

// Origin says in a few words what was found and where it keeps its data.
func (s *Server) Origin() string { return s.origin }

// External says that the environment named the server: it is shared, and the fault methods return ErrExternal.
func (s *Server) External() bool { _, is := s.engine.(external); return is }

// Miniredis says that no real Valkey was to be had and an imitation inside this process stands in for it. A client then
// needs RESP2 and no client-side caching.
func (s *Server) Miniredis() bool { _, is := s.engine.(*mini); return is }

// Start brings the server up again, on the same port and data, after Kill. It returns when the server answers.
func (s *Server) Start(ctx context.Context) error {
	return s.locked("start", func(e engine) error { return e.start(ctx) })
}

// Kill ends every process of the server at once, as a crash of its machine would, and waits until they are gone.
func (s *Server) Kill() error { return s.locked("kill", engine.kill) }

// Pause freezes every process of the server: connections stay open and nothing answers.
func (s *Server) Pause() error { return s.locked("pause", engine.pause) }

// Resume ends Pause.
func (s *Server) Resume() error { return s.locked("resume", engine.resume) }

// Stop ends the server gently and removes its directory unless it is Durable. It may be called in any state and twice;
// an external server is left alone.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine.close()
}

func (s *Server) locked(what string, do func(engine) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := do(s.engine); err != nil {
		return fmt.Errorf("%s %s: %w", what, s.origin, err)
	}
	return nil
}

// external is somebody else's server.
type external struct{}

func (external) start(context.Context) error { return ErrExternal }
func (external) kill() error                 { return ErrExternal }
func (external) pause() error                { return ErrExternal }
func (external) resume() error               { return ErrExternal }
func (external) close()                      {}
