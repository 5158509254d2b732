package main

import "sync"

// crowd is who is connected, for broadcasts of servers that leave that to their users.
type crowd[C comparable] struct {
	mu  sync.RWMutex
	all map[C]struct{}
}

func newCrowd[C comparable]() *crowd[C] { return &crowd[C]{all: map[C]struct{}{}} }

func (c *crowd[C]) add(conn C) {
	c.mu.Lock()
	c.all[conn] = struct{}{}
	c.mu.Unlock()
}

func (c *crowd[C]) remove(conn C) {
	c.mu.Lock()
	delete(c.all, conn)
	c.mu.Unlock()
}

func (c *crowd[C]) each(f func(C)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for conn := range c.all {
		f(conn)
	}
}
