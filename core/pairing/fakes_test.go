package pairing

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// desk is the stores, the mirror and the gateway of a service under test, in memory.
type desk struct {
	mu sync.Mutex

	search    Search // what Search gives
	searchErr error
	available []core.MitraID // the mirror, longest waiting first
	findErr   error
	waiting   []Waiting // oldest first
	asked     map[core.SessionID]map[core.MitraID]bool
	queueErr  error
	expirable int // offers past their time
	waveSize  int
	listening bool

	said      []string // what the store was told, in order
	excluded  []core.MitraID
	passed    []core.MitraID // candidates of the last wave
	offered   []offering
	positions []place
	reads     int // of the queue
}

type offering struct {
	mitra   core.MitraID
	session core.SessionID
	at      time.Time
}

type place struct {
	customer core.CustomerID
	position int
	at       time.Time
}

func newDesk() *desk {
	return &desk{asked: map[core.SessionID]map[core.MitraID]bool{}, waveSize: 5, listening: true}
}

func (d *desk) service() *Service {
	return NewService(d, d, d, d, d, core.DefaultSettings, slog.New(slog.DiscardHandler))
}

// run starts the service; the returned func stops it and waits for it.
func (d *desk) run(t *testing.T) (*Service, func()) {
	s := d.service()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		cancel()
		require.NoError(t, <-done)
	}
}

// wait puts a new search at the end of the queue.
func (d *desk) wait() Waiting {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := Waiting{SessionID: core.NewID[core.SessionID](), CustomerID: core.NewID[core.CustomerID](), CreatedAt: time.Now()}
	d.waiting = append(d.waiting, w)
	return w
}

// locked changes the desk while a service runs.
func (d *desk) locked(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *desk) say(what string) { d.said = append(d.said, what) }

func (d *desk) Request(_ context.Context, _ Request, candidates []core.MitraID) (chat.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.say("request")
	d.passed = candidates
	return chat.Session{Status: chat.Searching}, nil
}

func (d *desk) Cancel(context.Context, core.SessionID, core.CustomerID) (chat.Session, error) {
	return chat.Session{Status: chat.Cancelled}, nil
}

func (d *desk) Search(context.Context, core.SessionID) (Search, error) { return d.search, d.searchErr }

func (d *desk) NextWave(_ context.Context, _ core.SessionID, _ int, candidates []core.MitraID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.say("next wave")
	d.passed = candidates
	return nil
}

func (d *desk) Unmatch(context.Context, core.SessionID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.say("unmatch")
	return nil
}

func (d *desk) Open(context.Context, core.MitraID) ([]Offer, error)        { return nil, nil }
func (d *desk) Received(context.Context, core.OfferID, core.MitraID) error { return nil }
func (d *desk) Decline(_ context.Context, _ core.OfferID, _ core.MitraID, reason string) error {
	d.say(reason)
	return nil
}

func (d *desk) Accept(context.Context, core.OfferID, core.MitraID, int64) (chat.Session, error) {
	return chat.Session{Status: chat.Active}, nil
}

func (d *desk) ExpireOffers(_ context.Context, limit int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(limit, d.expirable)
	d.expirable -= n
	return n, nil
}

func (d *desk) OfferOldest(_ context.Context, mitra core.MitraID) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queueErr != nil {
		return false, d.queueErr
	}
	for _, w := range d.waiting {
		asked := d.asked[w.SessionID]
		if asked == nil {
			asked = map[core.MitraID]bool{}
			d.asked[w.SessionID] = asked
		}
		if asked[mitra] || len(asked) >= d.waveSize {
			continue
		}
		asked[mitra] = true
		d.offered = append(d.offered, offering{mitra, w.SessionID, time.Now()})
		return true, nil
	}
	return false, nil
}

func (d *desk) Waiting(context.Context) ([]Waiting, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	return slices.Clone(d.waiting), d.queueErr
}

func (d *desk) FindAvailable(_ context.Context, k int, exclude []core.MitraID) ([]core.MitraID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.excluded = exclude
	found := slices.DeleteFunc(slices.Clone(d.available), func(id core.MitraID) bool { return slices.Contains(exclude, id) })
	return found[:min(k, len(found))], d.findErr
}

func (d *desk) Position(customer core.CustomerID, _ core.SessionID, position int, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.positions = append(d.positions, place{customer, position, at})
}

func (d *desk) Listening() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listening
}

func mitras(n int) []core.MitraID {
	ids := make([]core.MitraID, n)
	for i := range ids {
		ids[i] = core.NewID[core.MitraID]()
	}
	return ids
}
