package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

func online() protocol.PresenceSet { return protocol.PresenceSet{Mode: protocol.ModeOnline} }

// The main job: a customer on one instance meets a mitra on another, both are told, and one of them ends it.
func TestMainJob_AcrossInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari := a.mitra("Sari").connect()
	customer := b.customer()
	phone := customer.connect()
	require.Equal(t, protocol.ModeOffline, sari.welcome.State.Mitra.Mode)
	require.Nil(t, phone.welcome.State.Customer.Session)

	require.Zero(t, *phone.do(protocol.AvailabilitySubscribe{}).Available)
	require.Equal(t, protocol.ModeOnline, sari.do(online()).Mode)
	await(phone, func(m protocol.Availability) bool { return m.Available == 1 })

	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage(), Note: "hello"}).Session
	require.Equal(t, protocol.StatusSearching, asked.Status)

	offer := await[protocol.Offer](sari)
	require.Equal(t, asked.SessionID, offer.SessionID)
	require.Equal(t, "hello", offer.Note)
	require.NotEmpty(t, offer.CustomerName)
	sari.tell(protocol.OfferReceived{OfferID: offer.OfferID})

	won := sari.do(protocol.OfferAccept{OfferID: offer.OfferID}).Session
	require.Equal(t, protocol.StatusActive, won.Status)
	require.Nil(t, won.Price, "a mitra never sees a price")
	require.Equal(t, won.Version, sari.do(protocol.OfferAccept{OfferID: offer.OfferID}).Session.Version, "the winner may repeat it")
	told := await(phone, status(protocol.StatusActive)).Session
	require.Equal(t, "Sari", told.Mitra.DisplayName)
	require.Equal(t, won.EndsAt, told.EndsAt)
	await(phone, func(m protocol.Availability) bool { return m.Available == 0 }) // she is at her capacity

	ended := phone.do(protocol.SessionEnd{SessionID: asked.SessionID, Reason: "thank you"}).Session
	require.Equal(t, protocol.StatusEnded, ended.Status)
	require.Equal(t, protocol.EndReason("customer"), ended.EndReason)
	require.Equal(t, ended.Version, await(sari, status(protocol.StatusEnded)).Session.Version)
	await(phone, func(m protocol.Availability) bool { return m.Available == 1 })
}

func TestCancel_WithdrawsTheOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari := a.mitra("Sari").connect()
	sari.do(online())
	customer := b.customer()
	phone := customer.connect()
	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()}).Session
	offer := await[protocol.Offer](sari)

	require.Equal(t, protocol.StatusCancelled, phone.do(protocol.PairingCancel{SessionID: asked.SessionID}).Session.Status)
	closed := await[protocol.OfferClosed](sari)
	require.Equal(t, offer.OfferID, closed.OfferID)
	require.Equal(t, protocol.OfferCloseReason("cancelled"), closed.Reason)
	require.Equal(t, protocol.CodeOfferCancelled, sari.fail(protocol.OfferAccept{OfferID: offer.OfferID}).Code)
}

func TestFirstAcceptWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari, dewi := a.mitra("Sari").connect(), b.mitra("Dewi").connect()
	sari.do(online())
	dewi.do(online())
	customer := b.customer()
	phone := customer.connect()
	phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()})
	first, second := await[protocol.Offer](sari), await[protocol.Offer](dewi)

	sari.do(protocol.OfferAccept{OfferID: first.OfferID})
	require.Equal(t, protocol.OfferCloseReason("taken"), await[protocol.OfferClosed](dewi).Reason)
	require.Equal(t, protocol.CodeOfferTaken, dewi.fail(protocol.OfferAccept{OfferID: second.OfferID}).Code)
	require.Equal(t, "Sari", await(phone, status(protocol.StatusActive)).Session.Mitra.DisplayName)
}

// Nobody is there at first: the search waits, is told its position, and the mitra who comes is offered it.
func TestWaitingSearch_IsOfferedToTheMitraWhoComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	customer := b.customer()
	phone := customer.connect()
	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()}).Session
	position := await[protocol.Queue](phone)
	require.Equal(t, asked.SessionID, position.SessionID)
	require.Equal(t, 1, position.Position)

	sari := a.mitra("Sari").connect()
	sari.do(online())
	offer := await[protocol.Offer](sari)
	require.Equal(t, asked.SessionID, offer.SessionID)
	sari.do(protocol.OfferAccept{OfferID: offer.OfferID})
	await(phone, status(protocol.StatusActive))
}

func TestRequestKey_GivesTheSameSessionOnAnyInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	customer := a.customer()
	ask := protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()}
	here, there := customer.connect(), customer.connectAt(b)
	asked := here.do(ask).Session
	require.Equal(t, asked.SessionID, there.do(ask).Session.SessionID)

	other := ask
	other.Note = "another body"
	require.Equal(t, protocol.CodeKeyReused, there.fail(other).Code)
	other.RequestKey = "two"
	refused := there.fail(other)
	require.Equal(t, protocol.CodeSessionLive, refused.Code)
	require.Equal(t, asked.SessionID, refused.Session.SessionID)
}

// The time of a session is over: both sides are warned before and told at the end, by whichever instance finds it.
func TestSession_ExpiresAtItsDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(a, b)

	w.exec(`update chat_sessions set warn_at = now(), ends_at = now() + interval '30 seconds' where id = $1`, session.SessionID.String())
	await(phone, func(m protocol.SessionUpdate) bool { return m.Session.EndingSoon })
	await(mitra, func(m protocol.SessionUpdate) bool { return m.Session.EndingSoon })

	w.exec(`update chat_sessions set ends_at = now() where id = $1`, session.SessionID.String())
	require.Equal(t, protocol.EndReason("expired"), await(phone, status(protocol.StatusEnded)).Session.EndReason)
	await(mitra, status(protocol.StatusEnded))
}

func TestSearch_IsUnmatchedAtItsDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.instance()
	customer := a.customer()
	phone := customer.connect()
	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()}).Session
	w.exec(`update chat_sessions set search_deadline_at = now() where id = $1`, asked.SessionID.String())
	require.Equal(t, protocol.EndReason("no_mitra"), await(phone, status(protocol.StatusUnmatched)).Session.EndReason)
}

// What costs money waits for its payment, and is cancelled when that does not come.
func TestPaidPackage_WaitsForItsPayment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari := a.mitra("Sari").connect()
	sari.do(online())
	customer := b.customer()
	phone := customer.connect()
	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.paidPackage()}).Session
	require.Positive(t, *asked.Price)
	won := sari.do(protocol.OfferAccept{OfferID: await[protocol.Offer](sari).OfferID}).Session
	require.Equal(t, protocol.StatusPendingPayment, won.Status)
	require.Nil(t, won.Payment, "a mitra never sees the payment")
	require.NotNil(t, await(phone, status(protocol.StatusPendingPayment)).Session.Payment)

	w.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, asked.SessionID.String())
	require.Equal(t, protocol.EndReason("payment_timeout"), await(phone, status(protocol.StatusCancelled)).Session.EndReason)
	await(sari, status(protocol.StatusCancelled))
}

func TestOneSocketAMitra_TheNewerReplacesTheOlderAcrossInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	account := a.mitra("Sari")
	old := account.connect()
	old.do(online())
	fresh := account.connectAt(b)
	require.Equal(t, protocol.CloseReplaced, old.awaitClose())
	require.Equal(t, protocol.ModeOnline, fresh.welcome.State.Mitra.Mode, "the late close of the old one changes nothing")

	customer := a.customer()
	phone := customer.connect()
	phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()})
	await[protocol.Offer](fresh)
}

// A reconnect finds everything in welcome: nothing is replayed, nothing is missed.
func TestWelcome_HasTheWholeState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(a, b)
	mitra.cut()
	phone.cut()

	again := mitra.account.connectAt(b)
	require.Len(t, again.welcome.State.Mitra.Sessions, 1)
	require.Equal(t, session.SessionID, again.welcome.State.Mitra.Sessions[0].SessionID)
	require.Equal(t, 1, again.welcome.State.Mitra.Capacity)
	back := phone.account.connectAt(a)
	require.Equal(t, session.SessionID, back.welcome.State.Customer.Session.SessionID)

	require.Equal(t, protocol.StatusEnded, again.do(protocol.SessionEnd{SessionID: session.SessionID}).Session.Status)
	await(back, status(protocol.StatusEnded))
}

// An instance is drained: its sockets are told, closed with 1012, and go on at the other one.
func TestDrain_SendsSocketsToTheOtherInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance("DRAIN_SECONDS=1"), w.instance()
	sari := a.mitra("Sari").connect()
	sari.do(online())
	go a.end()
	await[protocol.Draining](sari)
	require.Equal(t, protocol.CloseRestart, sari.awaitClose())
	a.stop()

	again := sari.account.connectAt(b)
	require.Equal(t, protocol.ModeOnline, again.welcome.State.Mitra.Mode)
}
