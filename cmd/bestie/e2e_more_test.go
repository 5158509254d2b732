package main

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Fifty mitras on two instances accept one session, four times each, all at once: one of them has it.
func TestRace_200AcceptsHaveOneWinner(t *testing.T) {
	t.Parallel()
	const mitras, repeats = 50, 4
	w := newWorld(t)
	w.set("pairing_wave_size", mitras)
	a, b := w.instance(), w.instance()
	var crowd []*app
	for i, token := range w.tokens(core.Mitra, mitras) {
		mitra := (&account{w: w, home: []*instance{a, b}[i%2], token: token}).connect()
		mitra.do(online())
		crowd = append(crowd, mitra)
	}
	customer := a.customer()
	phone := customer.connect()
	if n := *phone.do(protocol.AvailabilitySubscribe{}).Available; n != mitras {
		await(phone, func(m protocol.Availability) bool { return m.Available == mitras })
	}
	asked := phone.do(protocol.PairingRequest{RequestKey: "race", PackageID: customer.freePackage()}).Session

	var winners, answers atomic.Int64
	var racing sync.WaitGroup
	for _, mitra := range crowd {
		offer := await[protocol.Offer](mitra)
		require.Equal(t, asked.SessionID, offer.SessionID)
		racing.Go(func() {
			var ids []uint32
			for range repeats {
				ids = append(ids, mitra.send(protocol.OfferAccept{OfferID: offer.OfferID}))
			}
			won := 0
			for _, id := range ids {
				frame := mitra.answer(id)
				if frame.Kind == protocol.KindError && isNotNow(mitra.failure(frame).Code) {
					frame, _ = mitra.ask(protocol.OfferAccept{OfferID: offer.OfferID})
				}
				if frame.Kind == protocol.KindAck {
					won++
				}
				answers.Add(1)
			}
			if won > 0 {
				winners.Add(1)
				require.Equal(t, repeats, won, "the winner who repeats it gets its session again")
			}
		})
	}
	racing.Wait()
	require.Equal(t, int64(1), winners.Load())
	require.Equal(t, int64(mitras*repeats), answers.Load())
	await(phone, status(protocol.StatusActive))
	require.Equal(t, int64(1), w.count(`select count(*) from chat_sessions where status = 'active'`))
	require.Equal(t, int64(1), w.count(`select count(*) from session_offers where status = 'accepted'`))
}

// All of a wave decline: the next one goes out within a second, to somebody else.
func TestDecline_MovesTheSearchOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_wave_size", 1)
	a, b := w.instance(), w.instance()
	sari, dewi := a.mitra("Sari").connect(), b.mitra("Dewi").connect()
	sari.do(online()) // she waits longest, so she is asked first
	dewi.do(online())
	customer := b.customer()
	phone := customer.connect()
	asked := phone.do(protocol.PairingRequest{RequestKey: "one", PackageID: customer.freePackage()}).Session

	first := await[protocol.Offer](sari)
	require.False(t, dewi.pending(protocol.KindOffer))
	sari.do(protocol.OfferDecline{OfferID: first.OfferID, Reason: "a break"})
	sari.do(protocol.OfferDecline{OfferID: first.OfferID}) // repeating it does nothing
	second := await[protocol.Offer](dewi)
	require.Equal(t, asked.SessionID, second.SessionID)
	dewi.do(protocol.OfferAccept{OfferID: second.OfferID})
	require.Equal(t, "Dewi", await(phone, status(protocol.StatusActive)).Session.Mitra.DisplayName)
}

// A mitra that leaves with an open offer loses it; one that is finishing goes offline by itself after its last session.
func TestModes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(a, b)
	require.Equal(t, protocol.ModeFinishing, mitra.do(protocol.PresenceSet{Mode: protocol.ModeFinishing}).Mode)
	phone.do(protocol.SessionEnd{SessionID: session.SessionID})
	await(mitra, func(m protocol.PresenceUpdate) bool { return m.Mode == protocol.ModeOffline && m.Reason == "finished" })

	mitra.do(online())
	phone.do(protocol.PairingRequest{RequestKey: "again", PackageID: phone.account.freePackage()})
	offer := await[protocol.Offer](mitra)
	mitra.do(protocol.PresenceSet{Mode: protocol.ModeOffline})
	require.Equal(t, protocol.OfferCloseReason("withdrawn"), await[protocol.OfferClosed](mitra).Reason)
	require.Contains(t, []protocol.ErrorCode{protocol.CodeNotOnline, protocol.CodeOfferExpired},
		mitra.fail(protocol.OfferAccept{OfferID: offer.OfferID}).Code)
}

// Who says goodbye is gone from the count at once, and back in it with a new socket, on any instance.
func TestCount_FollowsTheSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	sari, dewi := a.mitra("Sari").connect(), a.mitra("Dewi").connect()
	sari.do(online())
	dewi.do(online())
	customer := b.customer()
	phone := customer.connect()
	if n := *phone.do(protocol.AvailabilitySubscribe{}).Available; n != 2 {
		await(phone, func(m protocol.Availability) bool { return m.Available == 2 })
	}
	sari.leave()
	await(phone, func(m protocol.Availability) bool { return m.Available == 1 })
	back := sari.account.connectAt(b)
	require.Equal(t, protocol.ModeOnline, back.welcome.State.Mitra.Mode, "the mode is the mitra's own")
	await(phone, func(m protocol.Availability) bool { return m.Available == 2 })
}

// What belongs to somebody else is answered like what does not exist.
func TestForeignIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	_, _, session := w.talking(a, b)
	stranger, dewi := a.customer().connect(), a.mitra("Dewi").connect()
	for name, c := range map[string]struct {
		from *app
		ask  request
	}{
		"cancel, another's": {stranger, protocol.PairingCancel{SessionID: session.SessionID}},
		"cancel, nobody's":  {stranger, protocol.PairingCancel{SessionID: core.NewID[protocol.UUID]()}},
		"end, another's":    {stranger, protocol.SessionEnd{SessionID: session.SessionID}},
		"end by another":    {dewi, protocol.SessionEnd{SessionID: session.SessionID}},
		"end, nobody's":     {dewi, protocol.SessionEnd{SessionID: core.NewID[protocol.UUID]()}},
		"accept, nobody's":  {dewi, protocol.OfferAccept{OfferID: core.NewID[protocol.UUID]()}},
		"decline, nobody's": {dewi, protocol.OfferDecline{OfferID: core.NewID[protocol.UUID]()}},
	} {
		require.Equal(t, protocol.CodeNotFound, c.from.fail(c.ask).Code, name)
	}
	require.Equal(t, protocol.CodeForbidden, stranger.fail(online()).Code)
	require.Equal(t, protocol.CodePackageUnavailable,
		stranger.fail(protocol.PairingRequest{RequestKey: "x", PackageID: core.NewID[protocol.UUID]()}).Code)
}

// Signing out closes the sockets of that sign-in, on every instance, and no other.
func TestLogout_ClosesItsSocketsEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	customer, other := a.customer(), a.customer().connectAt(b)
	here, there := customer.connect(), customer.connectAt(b)
	customer.logout()
	require.Equal(t, protocol.CloseRevoked, here.awaitClose())
	require.Equal(t, protocol.CloseRevoked, there.awaitClose())
	other.do(protocol.Heartbeat{})

	refused := customer.dial(b, customer.token)
	require.Equal(t, protocol.CodeSessionRevoked, await[protocol.Error](refused).Code)
	require.Equal(t, protocol.CloseRevoked, refused.awaitClose())
}

func TestDeviceRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.instance()
	first, second := a.customer().connect(), a.mitra("Sari").connect()
	register := protocol.DeviceRegister{PushToken: "vendor:token", Platform: "android"}
	first.do(register)
	first.do(register)
	second.do(register) // one phone, another person
	require.Equal(t, int64(1), w.count(`select count(*) from device_tokens`))
	require.Equal(t, int64(1), w.count(`select count(*) from device_tokens where user_type = 'mitra'`))
}

// Nobody answers on Valkey from the start: both instances work from Postgres.
func TestWithoutValkey_TheMainJobGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.valkeyURL = "redis://127.0.0.1:1"
	a, b := w.instance(), w.instance()
	mitra, phone, session := w.talking(a, b)
	mitra.do(protocol.SessionEnd{SessionID: session.SessionID})
	require.Equal(t, protocol.EndReason("mitra"), await(phone, status(protocol.StatusEnded)).Session.EndReason)
}

// talking brings a mitra on instance a and a customer on instance b into an active session.
func (w *world) talking(a, b *instance) (mitra, phone *app, session protocol.Session) {
	w.t.Helper()
	mitra = a.mitra("Sari").connect()
	mitra.do(online())
	customer := b.customer()
	phone = customer.connect()
	phone.do(protocol.PairingRequest{RequestKey: "talk", PackageID: customer.freePackage()})
	mitra.do(protocol.OfferAccept{OfferID: await[protocol.Offer](mitra).OfferID})
	return mitra, phone, await(phone, status(protocol.StatusActive)).Session
}
