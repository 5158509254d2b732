package postgres_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func TestRequest_FiftyEqualAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, m := w.second(), w.mitra()
	r := pairing.Request{CustomerID: w.customer(), Key: "same", PackageID: w.free, Note: "halo"}
	var mu sync.Mutex
	made := map[core.SessionID]int{}
	outcomes := race(50, w.db, other, func(_ int, db *postgres.DB) error {
		s, err := db.Pairing().Request(t.Context(), r, []core.MitraID{m})
		mu.Lock()
		defer mu.Unlock()
		made[s.ID]++
		return err
	})
	require.Equal(t, map[core.Code]int{"": 50}, outcomes)
	require.Len(t, made, 1)
	require.Equal(t, 1, value[int](w, `select count(*) from chat_sessions`))
	require.Equal(t, 1, value[int](w, `select count(*) from session_offers`))
	require.Len(t, events[chat.Session](w, core.SessionUpdated, r.CustomerID), 1)
}

func TestRequest_ReplayGivesTheCurrentState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := pairing.Request{CustomerID: w.customer(), Key: "k", PackageID: w.free}
	s, err := w.db.Pairing().Request(t.Context(), r, nil)
	require.NoError(t, err)
	_, err = w.db.Pairing().Cancel(t.Context(), s.ID, r.CustomerID)
	require.NoError(t, err)
	again, err := w.db.Pairing().Request(t.Context(), r, nil)
	require.NoError(t, err)
	require.Equal(t, s.ID, again.ID)
	require.Equal(t, chat.Cancelled, again.Status)
}

func TestRequest_ErrKeyReused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := pairing.Request{CustomerID: w.customer(), Key: "k", PackageID: w.free}
	_, err := w.db.Pairing().Request(t.Context(), r, nil)
	require.NoError(t, err)
	r.Note = "another"
	_, err = w.db.Pairing().Request(t.Context(), r, nil)
	code(t, err, core.KeyReused)
}

func TestRequest_KeyIsKeptForADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := pairing.Request{CustomerID: w.customer(), Key: "k", PackageID: w.free}
	s, err := w.db.Pairing().Request(t.Context(), r, nil)
	require.NoError(t, err)
	_, err = w.db.Pairing().Cancel(t.Context(), s.ID, r.CustomerID)
	require.NoError(t, err)
	w.exec(`update idempotency_keys set created_at = now() - interval '25 hours'`)
	anew, err := w.db.Pairing().Request(t.Context(), r, nil)
	require.NoError(t, err)
	require.NotEqual(t, s.ID, anew.ID)
}

func TestRequest_ErrSessionLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := pairing.Request{CustomerID: w.customer(), Key: "first", PackageID: w.free}
	s, err := w.db.Pairing().Request(t.Context(), r, nil)
	require.NoError(t, err)
	r.Key = "second"
	_, err = w.db.Pairing().Request(t.Context(), r, nil)
	code(t, err, core.SessionLive)
	var state *chat.StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, s, state.Session)
	require.Equal(t, 1, value[int](w, `select count(*) from idempotency_keys`), "what failed keeps no key")
}

func TestRequest_OneLiveUnderParallelKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, customer := w.second(), w.customer()
	outcomes := race(20, w.db, other, func(i int, db *postgres.DB) error {
		_, err := db.Pairing().Request(t.Context(), pairing.Request{CustomerID: customer, Key: string(rune('a' + i)), PackageID: w.free}, nil)
		return err
	})
	require.Equal(t, map[core.Code]int{"": 1, core.SessionLive: 19}, outcomes)
}

func TestRequest_ErrPackageUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := pairing.Request{CustomerID: w.customer(), Key: "k", PackageID: core.NewID[core.PackageID]()}
	_, err := w.db.Pairing().Request(t.Context(), r, nil)
	code(t, err, core.PackageUnavailable)
	w.exec(`update session_packages set is_active = false where id = $1`, w.free)
	r.PackageID = w.free
	_, err = w.db.Pairing().Request(t.Context(), r, nil)
	code(t, err, core.PackageUnavailable)
}

func TestRequest_ErrNoSuchCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.db.Pairing().Request(t.Context(), pairing.Request{CustomerID: core.NewID[core.CustomerID](), Key: "k", PackageID: w.free}, nil)
	code(t, err, core.NotFound)
}

func TestRequest_PriceIsFixedThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	s := w.asks(w.paid, m)
	w.exec(`update session_packages set price = 99 where id = $1`, w.paid)
	require.EqualValues(t, 25_000, w.accepts(s, m).Price)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	s := w.asks(w.free, m)
	_, err := w.db.Pairing().Cancel(t.Context(), s.ID, w.customer())
	code(t, err, core.NotFound)

	got, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.Equal(t, chat.Cancelled, got.Status)
	require.Equal(t, chat.ReasonCustomer, got.EndReason)
	require.Equal(t, "withdrawn", w.offerStatus(s, m))
	require.Equal(t, []pairing.Closed{{OfferID: w.offer(s, m), SessionID: s.ID, Reason: pairing.ClosedCancelled}},
		events[pairing.Closed](w, core.OfferClosed, m))

	again, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	require.NoError(t, err)
	require.Equal(t, got, again)
}

func TestCancel_ErrActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.starts()
	_, err := w.db.Pairing().Cancel(t.Context(), s.ID, s.CustomerID)
	code(t, err, core.WrongState)
	var state *chat.StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, chat.Active, state.Session.Status)
}

func TestRequest_NamesByAnonymity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for anonymity, want := range map[core.Anonymity]string{core.Anonymous: "Bestie", core.RealName: "Sri"} {
		w.set(core.AnonymityKey, anonymity)
		m := w.mitra()
		s := w.asks(w.free, m)
		require.Equal(t, want, s.CustomerName)
		require.Equal(t, want, events[pairing.Offer](w, core.OfferMade, m)[0].CustomerName)
	}
}
