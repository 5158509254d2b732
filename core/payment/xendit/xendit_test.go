package xendit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/payment"
	"github.com/halobestie/bestie-gateway/core/payment/xendit"
	"github.com/halobestie/bestie-gateway/core/payment/xendit/xendittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) (*xendit.Client, *xendittest.Server) {
	t.Helper()
	server := xendittest.New(t)
	client := xendit.New(xendit.Config{BaseURL: server.URL, SecretKey: xendittest.Key, CallbackToken: xendittest.Token, Channels: []string{"QRIS"}}, core.SystemClock)
	t.Cleanup(client.Close)
	return client, server
}

func invoice() payment.Invoice {
	return payment.Invoice{Reference: core.NewID[core.PaymentID](), Amount: 25_000, Description: "Halo Bestie", ExpiresAt: time.Now().Add(time.Hour)}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	client, server := open(t)
	i := invoice()
	got, err := client.Open(t.Context(), i)
	require.NoError(t, err)
	there := server.Sessions(i.Reference.String())
	require.Len(t, there, 1)
	require.Equal(t, payment.Checkout{
		ID: there[0].ID, Reference: i.Reference, State: payment.Active, URL: there[0].URL, ExpiresAt: there[0].ExpiresAt, Amount: 25_000, Currency: "IDR",
	}, got)
	require.WithinDuration(t, i.ExpiresAt, got.ExpiresAt, time.Second)

	soon := invoice()
	soon.ExpiresAt = time.Now()
	got, err = client.Open(t.Context(), soon)
	require.NoError(t, err, "never below the vendor's ten minutes")
	require.True(t, got.ExpiresAt.After(time.Now().Add(10*time.Minute)))
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[xendittest.Fault]core.Code{
		xendittest.ServerError: core.PaymentUnavailable, xendittest.TooMany: core.PaymentUnavailable, xendittest.Down: core.PaymentUnavailable,
		xendittest.Forgets: core.PaymentUnavailable, xendittest.Garbage: core.PaymentUnavailable, xendittest.BadKey: core.PaymentUnavailable,
		xendittest.Invalid: core.Internal,
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			client, server := open(t)
			opened, err := client.Open(t.Context(), invoice())
			require.NoError(t, err)
			server.Break(fault, -1)
			for name, call := range map[string]func() error{
				"open": func() error { _, err := client.Open(t.Context(), invoice()); return err },
				"look": func() error { _, err := client.Look(t.Context(), opened.ID); return err },
				"refund": func() error {
					_, err := client.Refund(t.Context(), payment.RefundOrder{Reference: core.NewID[core.RefundID](), Charge: "pr-1", Amount: 1})
					return err
				},
			} {
				err := call()
				require.Equal(t, want, core.CodeOf(err), "%s: %v", name, err)
				if fault == xendittest.Invalid {
					require.ErrorIs(t, err, payment.ErrRefused)
					require.ErrorContains(t, err, "API_VALIDATION_ERROR")
				}
				if fault == xendittest.TooMany {
					var coded *core.Error
					require.ErrorAs(t, err, &coded)
					require.Equal(t, 2500*time.Millisecond, coded.RetryAfter)
				}
			}
			server.Mend()
			_, err = client.Cancel(t.Context(), opened.ID)
			require.NoError(t, err)
		})
	}
	t.Run("time is up", func(t *testing.T) {
		t.Parallel()
		client, _ := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Open(ctx, invoice())
		require.Equal(t, core.PaymentUnavailable, core.CodeOf(err))
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	server := xendittest.New(t)
	now := time.Now()
	client := xendit.New(xendit.Config{BaseURL: server.URL, SecretKey: xendittest.Key}, func() time.Time { return now })
	t.Cleanup(client.Close)
	server.Break(xendittest.TooMany, 1)
	for wait, asked := range []int{1, 1, 1, 2} { // the vendor said 2.5 seconds
		_, err := client.Open(t.Context(), invoice())
		require.Equal(t, asked < 2, core.CodeOf(err) == core.PaymentUnavailable, "after %d s: %v", wait, err)
		require.Equal(t, asked, server.Calls("POST /sessions"))
		_, err = client.Look(t.Context(), "ps-none")
		require.Equal(t, core.NotFound, core.CodeOf(err), "each endpoint has a limit of its own")
		now = now.Add(time.Second)
	}
}

func TestLook_NotFound(t *testing.T) {
	t.Parallel()
	client, _ := open(t)
	_, err := client.Look(t.Context(), "ps-../../refunds")
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = client.Cancel(t.Context(), "ps-none")
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestCancel(t *testing.T) {
	t.Parallel()
	client, server := open(t)
	first, err := client.Open(t.Context(), invoice())
	require.NoError(t, err)
	for range 2 {
		got, err := client.Cancel(t.Context(), first.ID)
		require.NoError(t, err)
		require.Equal(t, payment.SessionCanceled, got.State)
	}
	second, err := client.Open(t.Context(), invoice())
	require.NoError(t, err)
	server.Pay(second.ID)
	got, err := client.Cancel(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, payment.Completed, got.State, "it was paid before")
	require.NotEmpty(t, got.Charge)
	require.NotEmpty(t, got.Request)
}

func TestRefund(t *testing.T) {
	t.Parallel()
	client, server := open(t)
	opened, err := client.Open(t.Context(), invoice())
	require.NoError(t, err)
	server.Pay(opened.ID)
	paid, err := client.Look(t.Context(), opened.ID)
	require.NoError(t, err)
	order := payment.RefundOrder{Reference: core.NewID[core.RefundID](), Charge: paid.Request, Amount: 5_000}

	server.Refunds(false, "REFUND_NOT_SUPPORTED")
	_, err = client.Refund(t.Context(), order)
	require.ErrorIs(t, err, payment.ErrRefused)
	server.Refunds(true, "")
	pending, err := client.Refund(t.Context(), order)
	require.NoError(t, err)
	require.True(t, pending.Pending)
	again, err := client.Refund(t.Context(), order)
	require.NoError(t, err)
	require.Equal(t, pending, again, "the same")
	server.FinishRefunds("INSUFFICIENT_BALANCE")
	order.ID = pending.ID
	failed, err := client.Refund(t.Context(), order)
	require.NoError(t, err)
	require.Equal(t, payment.RefundState{ID: pending.ID, Failure: "INSUFFICIENT_BALANCE"}, failed)
}

func TestAuthentic(t *testing.T) {
	t.Parallel()
	client, _ := open(t)
	require.True(t, client.Authentic(xendittest.Token))
	for _, wrong := range []string{"", xendittest.Token[1:], xendittest.Token + "x", "x"} {
		require.False(t, client.Authentic(wrong), wrong)
	}
	require.False(t, xendit.New(xendit.Config{}, core.SystemClock).Authentic(""), "no token is no token")
}

func TestRead(t *testing.T) {
	t.Parallel()
	client, server := open(t)
	i := invoice()
	opened, err := client.Open(t.Context(), i)
	require.NoError(t, err)
	server.Pay(opened.ID)
	got, err := client.Read(server.Webhook(opened.ID))
	require.NoError(t, err)
	require.Equal(t, payment.Completed, got.State)
	require.Equal(t, i.Reference, got.Reference)
	require.EqualValues(t, 25_000, got.Amount)
	require.NotEmpty(t, got.Charge)

	session := func(change map[string]any) map[string]any {
		s := map[string]any{
			"payment_session_id": "ps-1", "reference_id": i.Reference.String(), "status": "COMPLETED", "amount": 25000, "currency": "IDR",
			"payment_request_id": nil, "payment_id": nil,
		}
		for k, v := range change {
			s[k] = v
		}
		return s
	}
	for name, amount := range map[string]any{"a number": 25000, "in quotes": "25000", "with parts that are none": 25000.0} {
		got, err := client.Read(xendittest.Event("payment_session.completed", session(map[string]any{"amount": amount})))
		require.NoError(t, err, name)
		require.EqualValues(t, 25_000, got.Amount, name)
		require.Empty(t, got.Charge)
	}
	for name, data := range map[string]any{
		"parts of a rupiah": session(map[string]any{"amount": 25000.5}), "no amount": session(map[string]any{"amount": "lots"}),
		"a huge exponent": session(map[string]any{"amount": "1e999999999"}), "another status": session(map[string]any{"status": "EXPIRED"}),
		"an unknown status": session(map[string]any{"status": "PAID"}), "no session": session(map[string]any{"payment_session_id": ""}),
		"a list": []int{1}, "a word": "ps-1",
	} {
		_, err := client.Read(xendittest.Event("payment_session.completed", data))
		require.Error(t, err, name)
	}
	for _, body := range []string{"", "null", "{}", `{"event":7}`, `[]`, "\x00", `{"event":"disbursement.completed","data":{"reference_id":"x"}}`, `{"id":"inv-1","external_id":"x","status":"PAID","amount":25000}`} {
		got, _ := client.Read([]byte(body))
		require.True(t, got.Reference.IsZero(), body)
		require.NotEqual(t, payment.Completed, got.State, body)
	}
	foreign, err := client.Read(xendittest.Event("payment_session.completed", session(map[string]any{"reference_id": "order-7"})))
	require.NoError(t, err)
	require.True(t, foreign.Reference.IsZero())
	require.Equal(t, "order-7", foreign.Named)

	hint, err := client.Read(xendittest.Event("payment.capture", map[string]any{"reference_id": i.Reference.String(), "status": "SUCCEEDED", "request_amount": 25000}))
	require.NoError(t, err)
	require.True(t, hint.Hint)
	require.Equal(t, i.Reference, hint.Reference)
	refund := core.NewID[core.RefundID]()
	about, err := client.Read(xendittest.Event("refund.succeeded", map[string]any{"reference_id": refund.String()}))
	require.NoError(t, err)
	require.Equal(t, refund, about.Refund)
}

// Whatever comes is read without a panic, and only what says so itself is money.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"event":"payment_session.completed","data":{"payment_session_id":"ps-1","reference_id":"01980000-0000-7000-8000-000000000001","status":"COMPLETED","amount":"25000.00","currency":"IDR"}}`))
	f.Add([]byte(`{"event":"payment.capture","data":{}}`))
	f.Add([]byte(`{"event":"refund.failed","data":null}`))
	f.Add([]byte(`{"event":"payment_session.completed","data":{"amount":1e9}}`))
	client := xendit.New(xendit.Config{}, core.SystemClock)
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := client.Read(body)
		if err == nil && n.State == payment.Completed {
			require.NotEmpty(t, n.ID)
		}
	})
}
