package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core/payment/xendit/xendittest"
	"github.com/halobestie/bestie-gateway/protocol"
)

// taps taps a button of the sandbox's page, as a customer does.
func taps(t *testing.T, page, button string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+"/"+button, nil)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// payable waits for the address where a session's payment is made; another one than before.
func payable(before protocol.UUID) func(protocol.SessionUpdate) bool {
	return func(m protocol.SessionUpdate) bool {
		return m.Session.Payment != nil && m.Session.Payment.PaymentID != before && m.Session.Payment.CheckoutURL != ""
	}
}

func minutes(s protocol.Session) int {
	return int((s.EndsAt - s.StartedAt) / time.Minute.Milliseconds())
}

// The whole life of a paid session over two instances: request, offers, accept, pay, talk, extend, reroute, end.
func TestPaidSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari, dewi := a.mitra("Sari").connect(), b.mitra("Dewi").connect()
	sari.do(online())
	customer := b.customer()
	phone := customer.connect()
	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.paidPackage()}).Session
	sari.do(protocol.OfferAccept{OfferID: await[protocol.Offer](sari).OfferID})
	open := await(phone, payable(protocol.UUID{})).Session
	require.Equal(t, protocol.StatusPendingPayment, open.Status)
	require.Equal(t, protocol.PaymentOpen, open.Payment.Status)

	taps(t, open.Payment.CheckoutURL, "fail")
	require.Equal(t, protocol.PaymentFailed, await(phone, func(m protocol.SessionUpdate) bool {
		return m.Session.Payment != nil && m.Session.Payment.Status != protocol.PaymentOpen
	}).Session.Payment.Status)
	var again struct {
		ID          protocol.UUID `json:"id"`
		Status      string        `json:"status"`
		Amount      int64         `json:"amount"`
		CheckoutURL string        `json:"checkout_url"`
	}
	customer.post("/api/client/payments", map[string]any{"session_id": asked.SessionID}, &again)
	require.NotEqual(t, open.Payment.PaymentID, again.ID)
	require.Equal(t, "open", again.Status)
	require.Equal(t, *asked.Price, again.Amount)
	taps(t, again.CheckoutURL, "pay")
	active := await(phone, status(protocol.StatusActive)).Session
	require.Equal(t, asked.DurationMinutes, minutes(active))
	theirs := await(sari, status(protocol.StatusActive)).Session
	require.Nil(t, theirs.Payment)
	require.Nil(t, theirs.Price)

	wish := phone.do(protocol.SessionExtend{SessionID: asked.SessionID, PackageID: customer.paidPackage(), RequestKey: "more"})
	require.NotNil(t, wish.Payment)
	require.Equal(t, wish.Session.Payment, wish.Payment)
	require.Equal(t, protocol.CodeExtensionPending, phone.fail(protocol.SessionExtend{
		SessionID: asked.SessionID, PackageID: customer.paidPackage(), RequestKey: "still more",
	}).Code)
	taps(t, await(phone, payable(again.ID)).Session.Payment.CheckoutURL, "pay")
	longer := await(phone, func(m protocol.SessionUpdate) bool { return m.Session.EndsAt > active.EndsAt }).Session
	require.Equal(t, 2*asked.DurationMinutes, minutes(longer))

	dewi.do(online())
	rerouted := phone.do(protocol.SessionReroute{SessionID: asked.SessionID, Reason: "no answer"}).Session
	require.Equal(t, protocol.StatusSearching, rerouted.Status)
	await(sari, status(protocol.StatusSearching))
	won := dewi.do(protocol.OfferAccept{OfferID: await[protocol.Offer](dewi).OfferID}).Session
	require.Equal(t, protocol.StatusActive, won.Status, "nothing to pay any more")
	require.InDelta(t, longer.EndsAt-longer.StartedAt, won.EndsAt-won.StartedAt, 10_000)
	require.False(t, sari.pending(protocol.KindOffer), "who had it is not asked again")
	dewi.do(protocol.SessionEnd{SessionID: asked.SessionID})
	await(phone, status(protocol.StatusEnded))
}

// A vendor with webhooks, which reach one instance while the sockets are on the other.
func TestPaidSession_Xendit(t *testing.T) {
	t.Parallel()
	vendor := xendittest.New(t)
	w := newWorld(t)
	settings := []string{
		"PAYMENT_PROVIDER=xendit", "XENDIT_BASE_URL=" + vendor.URL, "XENDIT_SECRET_KEY=" + xendittest.Key, "XENDIT_CALLBACK_TOKEN=" + xendittest.Token,
	}
	a, b := w.instance(settings...), w.instance(settings...)
	sari := a.mitra("Sari").connect()
	sari.do(online())
	customer := a.customer()
	phone := customer.connect()
	phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.paidPackage()})
	sari.do(protocol.OfferAccept{OfferID: await[protocol.Offer](sari).OfferID})
	open := await(phone, payable(protocol.UUID{})).Session
	there := vendor.Sessions(open.Payment.PaymentID.String())
	require.Len(t, there, 1)
	require.Equal(t, there[0].URL, open.Payment.CheckoutURL)
	vendor.Pay(there[0].ID)
	require.Equal(t, http.StatusUnauthorized, xendittest.Deliver(b.url(), "guessed", vendor.Webhook(there[0].ID)))
	require.Equal(t, http.StatusOK, xendittest.Deliver(b.url(), xendittest.Token, vendor.Webhook(there[0].ID)))
	require.Equal(t, http.StatusOK, xendittest.Deliver(a.url(), xendittest.Token, vendor.Webhook(there[0].ID)))
	await(phone, status(protocol.StatusActive))
	require.EqualValues(t, 2, w.count(`select count(*) from payment_webhooks where outcome in ('started', 'repeated')`))
	require.EqualValues(t, 1, w.count(`select count(*) from payment_receipts`))
}
