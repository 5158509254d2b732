package gateway_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
)

// tokens are an auth that knows what the test gave out.
type tokens struct {
	mu     sync.Mutex
	known  map[string]core.Principal
	broken map[string]error
	denied []core.AuthSessionID
}

func (t *tokens) Verify(token string) (core.Principal, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.broken[token]; err != nil {
		return core.Principal{}, err
	}
	who, ok := t.known[token]
	if !ok {
		return core.Principal{}, core.Errorf(core.Unauthenticated, "the token is not ours")
	}
	return who, nil
}

func (t *tokens) Denied(session core.AuthSessionID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Contains(t.denied, session)
}

func (t *tokens) Deny(revoked auth.Revoked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.denied = append(t.denied, revoked.Sessions...)
}

// issue gives out a token for a principal.
func (t *tokens) issue(who core.Principal) string {
	token := core.NewID[core.AuthSessionID]().String()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[token] = who
	return token
}

// refuse gives out a token that fails.
func (t *tokens) refuse(err error) string {
	token := core.NewID[core.AuthSessionID]().String()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken[token] = err
	return token
}

// dropped is a call of presence.Dropped.
type dropped struct {
	mitra core.MitraID
	epoch int64
	how   presence.Drop
}

// world is everything behind the sockets. The hooks may be nil; they run in the calling goroutine.
type world struct {
	epochs atomic.Int64
	live   atomic.Bool // the bus

	onConnect func(core.MitraID) (presence.Mitra, error)
	onLive    func(context.Context) ([]chat.Session, error)
	onCancel  func(context.Context, core.SessionID) (chat.Session, error)
	onSetMode func(core.MitraID, presence.Mode, int64) (presence.Mitra, error)

	drops chan dropped

	mu     sync.Mutex
	beats  map[core.MitraID]int
	modes  []presence.Mode
	outbox []core.Event
	reads  []time.Duration
}

func newWorld() *world {
	w := &world{drops: make(chan dropped, 64), beats: make(map[core.MitraID]int)}
	w.live.Store(true)
	return w
}

func (w *world) Connect(_ context.Context, id core.MitraID) (presence.Mitra, error) {
	if w.onConnect != nil {
		return w.onConnect(id)
	}
	return w.row(id), nil
}

func (w *world) row(id core.MitraID) presence.Mitra {
	return presence.Mitra{ID: id, Mode: presence.Offline, Active: true, MaxCapacity: 1, ConnectionEpoch: w.epochs.Add(1)}
}

func (w *world) Mitra(_ context.Context, id core.MitraID) (presence.Mitra, error) {
	return presence.Mitra{ID: id, Mode: presence.Online, Active: true, MaxCapacity: 1}, nil
}

func (w *world) SetMode(_ context.Context, id core.MitraID, mode presence.Mode, epoch int64) (presence.Mitra, error) {
	if w.onSetMode != nil {
		return w.onSetMode(id, mode, epoch)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.modes = append(w.modes, mode)
	return presence.Mitra{ID: id, Mode: mode}, nil
}

func (w *world) Alive(id core.MitraID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beats[id]++
}

func (w *world) Dropped(id core.MitraID, epoch int64, how presence.Drop) {
	w.drops <- dropped{id, epoch, how}
}

func (w *world) Available(context.Context) (presence.Availability, error) {
	return presence.Availability{Count: 3, At: time.Now()}, nil
}

func (w *world) Request(_ context.Context, r pairing.Request) (chat.Session, error) {
	if r.Key == "panic" {
		panic("a bug in a room")
	}
	return chat.Session{ID: core.NewID[core.SessionID](), Version: 1, Status: chat.Searching, CustomerID: r.CustomerID}, nil
}

func (w *world) Cancel(ctx context.Context, id core.SessionID, _ core.CustomerID) (chat.Session, error) {
	if w.onCancel != nil {
		return w.onCancel(ctx, id)
	}
	return chat.Session{ID: id, Version: 2, Status: chat.Cancelled}, nil
}

func (w *world) Received(context.Context, core.OfferID, core.MitraID) error { return nil }

func (w *world) Accept(_ context.Context, _ core.OfferID, id core.MitraID, _ int64) (chat.Session, error) {
	return chat.Session{ID: core.NewID[core.SessionID](), Version: 2, Status: chat.Active, MitraID: id}, nil
}

func (w *world) Decline(context.Context, core.OfferID, core.MitraID, string) error { return nil }

func (w *world) Open(context.Context, core.MitraID) ([]pairing.Offer, error) { return nil, nil }

func (w *world) Live(ctx context.Context, _ core.Principal) ([]chat.Session, error) {
	if w.onLive != nil {
		return w.onLive(ctx)
	}
	return nil, nil
}

func (w *world) Reroute(_ context.Context, id core.SessionID, _ core.Principal, _ string) (chat.Session, error) {
	return chat.Session{ID: id, Status: chat.Searching}, nil
}

func (w *world) Extend(_ context.Context, e chat.Extension) (chat.Session, error) {
	return chat.Session{ID: e.SessionID, Status: chat.Active}, nil
}

func (w *world) End(_ context.Context, id core.SessionID, _ core.Principal, _ string) (chat.Session, error) {
	return chat.Session{ID: id, Version: 9, Status: chat.Ended}, nil
}

func (w *world) Register(context.Context, core.Principal, string, push.Platform) error { return nil }

// drop is the next call of Dropped.
func (w *world) drop(t testing.TB) dropped {
	t.Helper()
	select {
	case d := <-w.drops:
		return d
	case <-time.After(patience):
		require.Fail(t, "presence was told nothing")
		return dropped{}
	}
}

// Since gives the whole outbox, whatever the age.
func (w *world) Since(_ context.Context, age time.Duration) ([]core.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads = append(w.reads, age)
	return slices.Clone(w.outbox), nil
}

func (w *world) commit(events ...core.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outbox = append(w.outbox, events...)
}

// bus is the world's bus: its name would clash with Live of the sessions.
type bus struct{ w *world }

func (b bus) Live() bool { return b.w.live.Load() }
