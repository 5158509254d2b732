package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/protocol"
)

// now is the time in all tests of the package.
var now = time.UnixMilli(1_790_000_000_000)

// rooms are all the rooms at once: they note what they are asked and answer what the test says.
type rooms struct {
	calls    []string
	err      error
	session  chat.Session
	sessions []chat.Session
	offers   []pairing.Offer
	mitra    presence.Mitra
}

func (r *rooms) note(format string, args ...any) error {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	return r.err
}

func (r *rooms) SetMode(_ context.Context, m core.MitraID, mode presence.Mode, epoch int64) (presence.Mitra, error) {
	return r.mitra, r.note("SetMode %s %s %d", m, mode, epoch)
}

func (r *rooms) Mitra(_ context.Context, m core.MitraID) (presence.Mitra, error) {
	return r.mitra, r.note("Mitra %s", m)
}

func (r *rooms) Request(_ context.Context, q pairing.Request) (chat.Session, error) {
	return r.session, r.note("Request %s %s %s %s", q.CustomerID, q.Key, q.PackageID, q.Note)
}

func (r *rooms) Cancel(_ context.Context, id core.SessionID, by core.CustomerID) (chat.Session, error) {
	return r.session, r.note("Cancel %s %s", id, by)
}

func (r *rooms) Received(_ context.Context, id core.OfferID, m core.MitraID) error {
	return r.note("Received %s %s", id, m)
}

func (r *rooms) Accept(_ context.Context, id core.OfferID, m core.MitraID, epoch int64) (chat.Session, error) {
	return r.session, r.note("Accept %s %s %d", id, m, epoch)
}

func (r *rooms) Decline(_ context.Context, id core.OfferID, m core.MitraID, reason string) error {
	return r.note("Decline %s %s %s", id, m, reason)
}

func (r *rooms) Open(_ context.Context, m core.MitraID) ([]pairing.Offer, error) {
	return r.offers, r.note("Open %s", m)
}

func (r *rooms) Live(_ context.Context, who core.Principal) ([]chat.Session, error) {
	return r.sessions, r.note("Live %s", who.ID)
}

func (r *rooms) End(_ context.Context, id core.SessionID, by core.Principal, note string) (chat.Session, error) {
	return r.session, r.note("End %s %s %s", id, by.ID, note)
}

func (r *rooms) Reroute(_ context.Context, id core.SessionID, by core.Principal, note string) (chat.Session, error) {
	return r.session, r.note("Reroute %s %s %s", id, by.ID, note)
}

func (r *rooms) Extend(_ context.Context, e chat.Extension) (chat.Session, error) {
	return r.session, r.note("Extend %s %s %s %s", e.SessionID, e.CustomerID, e.PackageID, e.Key)
}

func (r *rooms) Register(_ context.Context, who core.Principal, token string, p push.Platform) error {
	return r.note("Register %s %s %s", who.ID, token, p)
}

func (r *rooms) Available() presence.Availability { return presence.Availability{Count: 9, At: now} }

// caller is a connection of a customer or a mitra.
type caller struct {
	who        core.Principal
	epoch      int64
	claimErr   error
	refreshErr error
	uncounted  bool
	calls      []string
}

func (c *caller) Principal() core.Principal            { return c.who }
func (c *caller) Claim(context.Context) (int64, error) { return c.epoch, c.claimErr }
func (c *caller) Unsubscribe()                         { c.calls = append(c.calls, "Unsubscribe") }
func (c *caller) Refresh(token string) (t time.Time, err error) {
	c.calls = append(c.calls, "Refresh "+token)
	return now.Add(time.Hour), c.refreshErr
}

func (c *caller) Subscribe() presence.Availability {
	c.calls = append(c.calls, "Subscribe")
	if c.uncounted {
		return presence.Availability{}
	}
	return presence.Availability{Count: 42, At: now.Add(-time.Second)}
}

func newCaller(role core.UserType) *caller {
	return &caller{epoch: 7, who: core.Principal{
		Type: role, ID: core.MustParseID[core.UserID]("11111111-1111-7111-8111-111111111111"),
		Session: core.NewID[core.AuthSessionID](), ExpiresAt: now.Add(time.Hour),
	}}
}

const (
	user    = "11111111-1111-7111-8111-111111111111"
	thing   = "22222222-2222-7222-8222-222222222222"
	another = "33333333-3333-7333-8333-333333333333"
)

var (
	thingID   = protocol.UUID(core.MustParseID[core.SessionID](thing))
	anotherID = protocol.UUID(core.MustParseID[core.SessionID](another))
)

// session is one with everything set, so that a view shows what it leaves out.
func session() chat.Session {
	return chat.Session{
		ID: core.SessionID(thingID), Version: 5, Status: chat.PendingPayment,
		CustomerID: core.NewID[core.CustomerID](), CustomerName: "Kind Bestie",
		MitraID: core.MitraID(anotherID), MitraName: "Sari",
		PackageID: core.NewID[core.PackageID](), Minutes: 30, Price: 50_000, Note: "hello",
		Payment: &chat.Payment{
			ID: core.PaymentID(anotherID), Status: "open", CheckoutURL: "https://pay.example/1", ExpiresAt: now.Add(time.Minute),
		},
		CreatedAt: now.Add(-time.Minute), StartedAt: now.Add(-time.Second), EndsAt: now.Add(time.Hour),
		DeadlineAt: now.Add(time.Minute), EndingSoon: true, EndReason: chat.ReasonCustomer,
	}
}

// view is session on the wire, for one of its sides.
func view(role core.UserType) *protocol.Session {
	v := &protocol.Session{
		SessionID: thingID, Version: 5, Status: protocol.StatusPendingPayment, DurationMinutes: 30,
		Mitra:     &protocol.MitraParty{MitraID: anotherID, DisplayName: "Sari"},
		StartedAt: now.Add(-time.Second).UnixMilli(), EndsAt: now.Add(time.Hour).UnixMilli(), EndingSoon: true,
		DeadlineAt: now.Add(time.Minute).UnixMilli(), EndReason: protocol.EndCustomer, ServerTime: now.UnixMilli(),
	}
	if role == core.Mitra {
		v.Customer = &protocol.CustomerParty{DisplayName: "Kind Bestie"}
		return v
	}
	price := int64(50_000)
	v.Price = &price
	v.Payment = &protocol.Payment{
		PaymentID: anotherID, Status: protocol.PaymentOpen, CheckoutURL: "https://pay.example/1",
		ExpiresAt: now.Add(time.Minute).UnixMilli(),
	}
	return v
}

// bench is a dispatcher over fakes, with its log.
type bench struct {
	*dispatch.Dispatcher
	rooms *rooms
	log   *bytes.Buffer
}

func newBench() *bench {
	r, log := &rooms{session: session()}, new(bytes.Buffer)
	all := dispatch.Rooms{Presence: r, Pairing: r, Chat: r, Devices: r, Beacon: r}
	clock := func() time.Time { return now }
	return &bench{Dispatcher: dispatch.New(all, clock, slog.New(slog.NewTextHandler(log, nil))), rooms: r, log: log}
}

// handle sends a message as the caller and gives the raw answer.
func (b *bench) handle(t *testing.T, from dispatch.Caller, m protocol.Message, id uint32) []byte {
	t.Helper()
	return b.raw(t, from, m.Append(nil, id))
}

func (b *bench) raw(t *testing.T, from dispatch.Caller, msg []byte) []byte {
	t.Helper()
	frame, err := protocol.Parse(msg)
	require.NoError(t, err)
	return b.Handle(t.Context(), nil, from, frame)
}
