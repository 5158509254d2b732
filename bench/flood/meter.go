package flood

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/bench/hist"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Meter is sockets that beat, and how long their answers take.
type Meter struct {
	sockets []*beating
	readers sync.WaitGroup
}

// beating is one socket. Its beats are numbered; meant holds when each was to leave.
type beating struct {
	socket *client.Socket

	mu    sync.Mutex
	next  uint32
	meant map[uint32]time.Time
	late  hist.Histogram
	lost  error
}

// NewMeter connects as many customers. Close it.
func NewMeter(ctx context.Context, t Target, sockets int) (*Meter, error) {
	api := client.NewAPI(t.Public, t.Internal)
	defer api.Close()
	m := &Meter{}
	for i := range sockets {
		account, err := api.Anonymous(ctx)
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("sign in customer %d: %w", i, err)
		}
		socket, err := client.Dial(ctx, client.Dialing{Target: t.Public, Token: account.AccessToken, Number: i})
		if err != nil {
			m.Close()
			return nil, fmt.Errorf("connect customer %d: %w", i, err)
		}
		b := &beating{socket: socket, meant: make(map[uint32]time.Time)}
		m.sockets = append(m.sockets, b)
		m.readers.Go(b.read)
	}
	return m, nil
}

// Close cuts the sockets.
func (m *Meter) Close() {
	for _, b := range m.sockets {
		b.socket.Cut()
	}
	m.readers.Wait()
}

// Measure has so many beats a second leave for a time, spread over the sockets, and gives how late their answers were.
func (m *Meter) Measure(ctx context.Context, perSecond int, length time.Duration) (*hist.Histogram, error) {
	gap := time.Second / time.Duration(perSecond)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	meant := time.Now()
	for i := 0; time.Duration(i)*gap < length; i++ {
		if wait := time.Until(meant); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if err := m.sockets[i%len(m.sockets)].beat(meant); err != nil {
			return nil, err
		}
		meant = meant.Add(gap)
	}
	timer.Reset(time.Second) // for the last answers
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	all := &hist.Histogram{}
	for _, b := range m.sockets {
		if err := b.take(all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *beating) beat(meant time.Time) error {
	b.mu.Lock()
	b.next++
	id := b.next
	b.meant[id] = meant
	b.mu.Unlock()
	return b.socket.Send(protocol.Heartbeat{}.Append(nil, id))
}

// read takes the answers until the socket ends.
func (b *beating) read() {
	for {
		message, at, err := b.socket.Read()
		if err != nil {
			b.mu.Lock()
			b.lost = err
			b.mu.Unlock()
			return
		}
		frame, err := protocol.ParseFromServer(message)
		if err != nil || frame.Kind != protocol.KindAck {
			continue
		}
		b.mu.Lock()
		if meant, ours := b.meant[frame.ID]; ours {
			b.late.Add(at.Sub(meant))
			delete(b.meant, frame.ID)
		}
		b.mu.Unlock()
	}
}

// take moves what was measured into all. An answer that has not come counts with its age.
func (b *beating) take(all *hist.Histogram) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, meant := range b.meant {
		b.late.Add(time.Since(meant))
		delete(b.meant, id)
	}
	all.Merge(&b.late)
	b.late = hist.Histogram{}
	return b.lost
}
