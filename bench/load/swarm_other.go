//go:build !linux

package load

import "errors"

// swarm is epoll's, and so Linux's.
type swarm struct{}

func newSwarm(Setup) (*swarm, error) { return nil, errors.New("load: workers run on Linux only") }

func (*swarm) do(Task, func(Progress)) (Report, error) { return Report{}, nil }

func (*swarm) close() {}
