package postgres_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/core/payment/xendit"
	"github.com/halobestie/bestie-gateway/core/payment/xendit/xendittest"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// shop is a world whose payments are made at a local Xendit, by any number of instances.
type shop struct {
	*world
	vendor *xendittest.Server
	room   *payment.Service
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{world: newWorld(t), vendor: xendittest.New(t)}
	s.room = s.instance(s.db)
	return s
}

// soon bounds what happens at once on a machine that has nothing else to do.
const soon = 30 * time.Second

// instance is the room of an instance, which does not run yet.
func (s *shop) instance(db *postgres.DB) *payment.Service {
	client := xendit.New(xendit.Config{BaseURL: s.vendor.URL, SecretKey: xendittest.Key, CallbackToken: xendittest.Token}, core.SystemClock)
	s.t.Cleanup(client.Close)
	truth := db.Payments()
	return payment.NewService(client, payment.Stores{
		Invoices: truth, Till: truth, Deliveries: truth, Payments: truth, Refunds: db.Refunds(),
	}, db.Settings().Current, core.SystemClock, slog.New(slog.DiscardHandler))
}

func (s *shop) run(rooms ...*payment.Service) {
	for _, room := range rooms {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- room.Run(ctx) }()
		s.t.Cleanup(func() {
			stop()
			require.NoError(s.t, <-done)
		})
	}
}

// hurry makes whatever is due some time due now, but for what is just being opened.
func (s *shop) hurry() {
	s.exec(`update payments set work_at = now() where work_at is not null and (status <> 'opening' or failure <> '')`)
	s.exec(`update refunds set work_at = now() where work_at is not null`)
	s.room.Wake()
}

// opensSoon waits until the vendor has a payment's session and the customer its address.
func (s *shop) opensSoon(one chat.Session) xendittest.Session {
	s.t.Helper()
	eventually(s.t, soon, func() bool { return s.read(one).Payment.Status == "open" }, "the invoice is open")
	shown := s.read(one).Payment.CheckoutURL
	for _, there := range s.vendor.Sessions(one.Payment.ID.String()) {
		if there.URL == shown {
			return there
		}
	}
	s.t.Fatalf("%s is no session of the vendor's", shown)
	return xendittest.Session{}
}

// failsSoon waits until the vendor has failed to open a payment's session.
func (s *shop) failsSoon(one chat.Session) {
	s.t.Helper()
	eventually(s.t, soon, func() bool {
		return value[string](s.world, `select failure from payments where id = $1`, one.Payment.ID) != ""
	}, "failed once")
}

func (s *shop) statusSoon(id core.SessionID, want string) {
	s.t.Helper()
	eventually(s.t, soon, func() bool { status, _ := s.session(id); return status == want }, want)
}

func (s *shop) delivers(body []byte) payment.Outcome {
	s.t.Helper()
	outcome, err := s.room.Deliver(s.t.Context(), body, "wh-1")
	require.NoError(s.t, err)
	return outcome
}

func TestVendor_OpenedOnceByAnyInstance(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room, s.instance(s.second()), s.instance(s.second()))
	var all []chat.Session
	for range 10 {
		one, _ := s.owes()
		all = append(all, one)
	}
	for _, one := range all {
		s.opensSoon(one)
		require.Len(t, s.vendor.Sessions(one.Payment.ID.String()), 1)
	}
}

// A lease that ran out while its holder was frozen: both open a session, one is shown, the other is ended.
func TestVendor_OpenedTwiceByAFrozenInstance(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	one, _ := s.owes()
	other := s.instance(s.second())
	outcomes := race(2, s.db, s.db, func(i int, _ *postgres.DB) error {
		s.exec(`update payments set work_at = now()`)
		_, err := []*payment.Service{s.room, other}[i].Invoice(t.Context(), one.ID, one.CustomerID)
		return err
	})
	require.Equal(t, map[core.Code]int{"": 2}, outcomes)
	shown := s.read(one).Payment.CheckoutURL
	for _, there := range s.vendor.Sessions("") {
		require.Equal(t, map[bool]string{true: "ACTIVE", false: "CANCELED"}[there.URL == shown], there.Status)
	}
}

func TestVendor_WebhookStartsTheSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	one, _ := s.owes()
	there := s.opensSoon(one)
	s.vendor.Pay(there.ID)
	require.Equal(t, payment.Started, s.delivers(s.vendor.Webhook(there.ID)))
	for range 50 {
		require.Equal(t, payment.Repeated, s.delivers(s.vendor.Webhook(there.ID)))
	}
	require.Equal(t, 51, value[int](s.world, `select count(*) from payment_webhooks where payment_id = $1 and outcome is not null`, one.Payment.ID))
	require.Equal(t, chat.Active, s.read(one).Status)
	s.books()
}

func TestVendor_WebhooksWithoutEffect(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	one, _ := s.owes()
	there := s.opensSoon(one)
	data := func(change map[string]any) []byte {
		d := map[string]any{
			"payment_session_id": there.ID, "reference_id": there.Reference, "status": "COMPLETED", "amount": 25000, "currency": "IDR",
		}
		for k, v := range change {
			d[k] = v
		}
		return xendittest.Event("payment_session.completed", d)
	}
	for name, c := range map[string]struct {
		body []byte
		want payment.Outcome
	}{
		"wrong amount":      {data(map[string]any{"amount": 25001}), payment.Mismatch},
		"wrong currency":    {data(map[string]any{"currency": "USD"}), payment.Mismatch},
		"unknown reference": {data(map[string]any{"reference_id": core.NewID[core.PaymentID]().String()}), payment.Unknown},
		"foreign reference": {data(map[string]any{"reference_id": "order-7"}), payment.Unknown},
		"no JSON":           {[]byte("\x00\xff"), payment.Unreadable},
		"another product":   {xendittest.Event("disbursement.completed", map[string]any{"reference_id": there.Reference}), payment.Ignored},
		"a legacy invoice":  {[]byte(`{"id":"x","external_id":"` + there.Reference + `","status":"PAID","amount":25000}`), payment.Ignored},
		"NUL in a word":     {data(map[string]any{"reference_id": "a\x00b"}), payment.Unknown},
	} {
		require.Equal(t, c.want, s.delivers(c.body), name)
	}
	require.Equal(t, 8, value[int](s.world, `select count(*) from payment_webhooks where outcome is not null`), "each of them kept")
	require.EqualValues(t, 6, s.room.Stats().Alarms)
	require.Equal(t, chat.PendingPayment, s.read(one).Status)
	s.vendor.Pay(there.ID)
	require.Equal(t, payment.Started, s.delivers(s.vendor.Webhook(there.ID)))
	s.books()
}

func TestVendor_ExpiredBeforePaid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	one, _ := s.owes()
	there := s.opensSoon(one)
	s.vendor.Expire(there.ID)
	expired := s.vendor.Webhook(there.ID)
	require.Equal(t, payment.Closed, s.delivers(expired))
	require.Equal(t, "expired", s.read(one).Payment.Status)
	require.Equal(t, payment.Ignored, s.delivers(expired))
	paid := xendittest.Event("payment_session.completed", map[string]any{
		"payment_session_id": there.ID, "reference_id": there.Reference, "status": "COMPLETED", "amount": 25000, "currency": "IDR", "payment_id": "py-1",
	})
	require.Equal(t, payment.Started, s.delivers(paid), "money counts, in whatever order it is told")
	require.Equal(t, payment.Ignored, s.delivers(expired))
	require.Equal(t, chat.Active, s.read(one).Status)
	s.books()
}

func TestVendor_PollerFindsWhatWebhooksLose(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	one, _ := s.owes()
	there := s.opensSoon(one)
	s.hurry()
	eventually(t, soon, func() bool { return s.vendor.Calls("GET /sessions/{id}") > 0 }, "looked at")
	s.vendor.Pay(there.ID)
	s.hurry()
	s.statusSoon(one.ID, "active")

	hinted, _ := s.owes()
	there = s.opensSoon(hinted)
	s.vendor.Pay(there.ID)
	require.Equal(t, payment.Looked, s.delivers(xendittest.Event("payment.capture", map[string]any{"reference_id": there.Reference, "status": "SUCCEEDED"})))
	s.statusSoon(hinted.ID, "active")
	s.books()
}

func TestVendor_FaultsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, fault := range []xendittest.Fault{
		xendittest.ServerError, xendittest.TooMany, xendittest.Down, xendittest.Forgets, xendittest.Garbage, xendittest.BadKey,
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.vendor.Break(fault, -1)
			s.run(s.room)
			one, _ := s.owes()
			s.failsSoon(one)
			require.Equal(t, "opening", s.read(one).Payment.Status)
			s.vendor.Mend()
			eventually(t, soon, func() bool { s.hurry(); return s.read(one).Payment.Status == "open" }, "opened after all")
			there := s.opensSoon(one)
			sessions := s.vendor.Sessions(one.Payment.ID.String())
			acted := fault == xendittest.Forgets || fault == xendittest.Garbage
			require.Equal(t, acted, len(sessions) > 1)
			if acted { // nobody was shown its address; if it were paid all the same, it would count, and the shown one be cancelled
				s.vendor.Pay(sessions[0].ID)
				require.Equal(t, payment.Started, s.delivers(s.vendor.Webhook(sessions[0].ID)))
				s.hurry()
				eventually(t, soon, func() bool { return s.vendorStatus(there.ID) == "CANCELED" }, "the other is cancelled")
			}
			s.books()
		})
	}
}

func (s *shop) vendorStatus(id string) string {
	for _, one := range s.vendor.Sessions("") {
		if one.ID == id {
			return one.Status
		}
	}
	return ""
}

func TestVendor_DownForTheWholeDeadline(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.vendor.Break(xendittest.Down, -1)
	s.run(s.room)
	one, _ := s.owes()
	eventually(t, soon, func() bool {
		_, err := s.room.Invoice(t.Context(), one.ID, one.CustomerID) // without an error while the vendor is being asked
		return core.CodeOf(err) == core.PaymentUnavailable
	}, "the customer is told")
	s.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, one.ID)
	require.NoError(t, s.db.Chat().PaymentTimeout(t.Context(), one.ID))
	s.vendor.Mend()
	s.hurry()
	eventually(t, soon, func() bool {
		return value[int](s.world, `select count(*) from payments where work_at is not null`) == 0
	}, "nothing is left to do")
	require.Empty(t, s.vendor.Sessions(""), "it is never opened")
	_, err := s.room.Invoice(t.Context(), one.ID, one.CustomerID)
	require.NoError(t, err, "it is told as it is")
	s.books()
}

func TestVendor_OurDeadlineCancelsItsSession(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	unpaid, _ := s.owes()
	first := s.opensSoon(unpaid)
	paid, _ := s.owes()
	second := s.opensSoon(paid)
	s.vendor.Pay(second.ID) // and its webhook is lost
	for _, one := range []chat.Session{unpaid, paid} {
		s.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, one.ID)
		require.NoError(t, s.db.Chat().PaymentTimeout(t.Context(), one.ID))
	}
	eventually(t, soon, func() bool {
		return value[int](s.world, `select count(*) from payments where work_at is not null`) == 0
	}, "nothing is left to do")
	require.Equal(t, "CANCELED", s.vendorStatus(first.ID))
	require.Equal(t, "COMPLETED", s.vendorStatus(second.ID))
	require.Zero(t, s.credit(unpaid.CustomerID))
	require.EqualValues(t, 25_000, s.credit(paid.CustomerID), "found when it was to be cancelled")
	s.books()
}

func TestVendor_RefusedAndAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.vendor.Break(xendittest.Invalid, 1)
	s.run(s.room)
	one, _ := s.owes()
	eventually(t, soon, func() bool { return s.read(one).Payment.Status == "failed" }, "refused")
	again, err := s.room.Invoice(t.Context(), one.ID, one.CustomerID)
	require.NoError(t, err)
	require.Equal(t, payment.Open, again.Status)
	require.NotEmpty(t, again.CheckoutURL)
	require.Equal(t, again.ID, s.read(one).Payment.ID)
	same, err := s.room.Invoice(t.Context(), one.ID, one.CustomerID)
	require.NoError(t, err)
	require.Equal(t, again.ID, same.ID)
	require.Equal(t, again.CheckoutURL, same.CheckoutURL)

	_, err = s.room.Invoice(t.Context(), one.ID, s.customer())
	code(t, err, core.NotFound)
	_, err = s.room.Payment(t.Context(), again.ID, s.customer())
	code(t, err, core.NotFound)
	free, _ := s.starts()
	_, err = s.room.Invoice(t.Context(), free.ID, free.CustomerID)
	code(t, err, core.WrongState)
}

func TestVendor_AnExtensionsDeadline(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	one, _ := s.runs()
	asked, err := s.extends(one, s.paid, "k")
	require.NoError(t, err)
	there := s.opensSoon(asked)
	s.exec(`update payments set expires_at = now(), work_at = now() where id = $1`, asked.Payment.ID)
	eventually(t, soon, func() bool { return s.vendorStatus(there.ID) == "CANCELED" }, "cancelled")
	require.Equal(t, "expired", value[string](s.world, `select status from session_extensions`))
	require.Equal(t, one.Payment.ID, s.read(one).Payment.ID)
	s.books()
}

func TestVendor_Refund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run(s.room)
	s.vendor.Refunds(true, "")
	one, _ := s.owes()
	there := s.opensSoon(one)
	s.vendor.Pay(there.ID)
	require.Equal(t, payment.Started, s.delivers(s.vendor.Webhook(there.ID)))
	r, err := s.db.Admin().OrderRefund(t.Context(), core.OperatorID{}, refundOf(one.Payment.ID, 0))
	require.NoError(t, err)
	eventually(t, soon, func() bool {
		return value[*string](s.world, `select provider_id from refunds where id = $1`, r.ID) != nil
	}, "ordered")
	s.vendor.FinishRefunds("")
	require.Equal(t, payment.Looked, s.delivers(xendittest.Event("refund.succeeded", map[string]any{"reference_id": r.ID.String()})))
	eventually(t, soon, func() bool { return s.paymentStatus(one.Payment.ID) == "refunded" }, "refunded")
	s.books()
}

// A webhook that was kept while its effect could not be had is not lost.
func TestVendor_KeptWebhooksHaveTheirEffectLater(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	one, _ := s.owes()
	s.run(s.room)
	there := s.opensSoon(one)
	s.vendor.Pay(there.ID)
	require.NoError(t, s.db.Payments().Keep(t.Context(), payment.Delivery{ID: core.NewID[payment.DeliveryID](), Provider: xendit.Name, Body: s.vendor.Webhook(there.ID)}))
	s.exec(`update payment_webhooks set received_at = now() - interval '1 minute'`)
	s.statusSoon(one.ID, "active")
	require.Equal(t, "started", value[string](s.world, `select outcome from payment_webhooks`))
	s.books()
}
