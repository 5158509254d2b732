package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// miniTick is how often the imitation's clock is moved on: by itself it stands still and no key expires.
const miniTick = 200 * time.Millisecond

// mini is the imitation of Valkey inside this process.
type mini struct {
	server *miniredis.Miniredis
	stop   chan struct{} // closed by halt; nil while stopped
	ticker sync.WaitGroup
}

func startMini(o Options) (s *Server, err error) {
	err = onFreePort(o.Port, func(port int) error {
		m := &mini{server: miniredis.NewMiniRedis()}
		if err := m.server.StartAddr(loopback(port)); err != nil {
			return fmt.Errorf("miniredis: %w", err)
		}
		m.tick()
		s = &Server{url: redisURL(loopback(port), ""), engine: m, origin: "miniredis (an imitation inside this process)"}
		return nil
	})
	return s, err
}

func (m *mini) start(context.Context) error {
	if m.stop != nil {
		return errors.New("it runs already")
	}
	m.server.FlushAll() // a killed Valkey comes back empty
	if err := m.server.Restart(); err != nil {
		return err
	}
	m.tick()
	return nil
}

func (m *mini) kill() error {
	m.close()
	return nil
}

func (m *mini) pause() error  { return errors.New("an imitation cannot be frozen") }
func (m *mini) resume() error { return errors.New("an imitation cannot be frozen") }

func (m *mini) close() {
	if m.stop == nil {
		return
	}
	close(m.stop)
	m.ticker.Wait()
	m.stop = nil
	m.server.Close()
}

// tick starts the goroutine that moves the clock; close ends it and waits for it.
func (m *mini) tick() {
	stop := make(chan struct{})
	m.stop = stop
	m.ticker.Go(func() {
		ticker := time.NewTicker(miniTick)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-stop:
				return
			case now := <-ticker.C:
				m.server.FastForward(now.Sub(last))
				last = now
			}
		}
	})
}
