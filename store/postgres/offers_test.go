package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func TestReceived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	s := w.asks(w.free, m)
	id := w.offer(s, m)
	require.NoError(t, w.db.Pairing().Received(t.Context(), id, w.mitra()))
	require.Equal(t, "offered", w.offerStatus(s, m), "somebody else's receipt")
	require.NoError(t, w.db.Pairing().Received(t.Context(), id, m))
	require.Equal(t, "delivered", w.offerStatus(s, m))
	require.True(t, value[bool](w, `select push_due_at is null from session_offers where id = $1`, id))
	w.accepts(s, m)
	require.NoError(t, w.db.Pairing().Received(t.Context(), id, m))
	require.Equal(t, "accepted", w.offerStatus(s, m), "a late receipt does nothing")
}

func TestOpen_OnlyOwnUnexpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	first, second := w.asks(w.free, m), w.asks(w.free, m, w.mitra())
	offers, err := w.db.Pairing().Open(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, offers, 2)
	require.Equal(t, first.ID, offers[0].SessionID)
	require.Equal(t, second.ID, offers[1].SessionID)
	w.exec(`update session_offers set expires_at = now() where session_id = $1`, first.ID)
	offers, err = w.db.Pairing().Open(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, offers, 1)
}

// ignore lets n delivered offers to m expire, one after the other.
func (w *world) ignore(m core.MitraID, n int, delivered bool) {
	w.t.Helper()
	for range n {
		s := w.asks(w.free, m)
		if delivered {
			require.NoError(w.t, w.db.Pairing().Received(w.t.Context(), w.offer(s, m), m))
		}
		w.exec(`update session_offers set expires_at = now() where session_id = $1`, s.ID)
		closed, err := w.db.Pairing().ExpireOffers(w.t.Context(), 10)
		require.NoError(w.t, err)
		require.Equal(w.t, 1, closed)
	}
}

func TestExpireOffers_IgnoredInARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	w.ignore(m, 5, false)
	require.Equal(t, "online", w.mode(m), "undelivered ones never count")
	w.ignore(m, 2, true)
	s := w.asks(w.free, m)
	require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, m), m, ""))
	w.ignore(m, 2, true)
	require.Equal(t, "online", w.mode(m), "a decline starts the count anew")
	open := w.asks(w.free, m)
	w.ignore(m, 1, true)

	require.Equal(t, "offline", w.mode(m))
	require.Equal(t, "withdrawn", w.offerStatus(open, m))
	changes := events[presence.Change](w, core.PresenceChanged, m)
	require.Len(t, changes, 1)
	require.Equal(t, presence.IgnoredOffers, changes[0].Reason)
	require.Equal(t, value[int64](w, `select version from mitras where id = $1`, m), changes[0].Version)
	require.Equal(t, "ignored_offers", value[string](w, `select reason from mitra_status_logs where mitra_id = $1`, m))

	_, err := w.db.Presence().SetMode(t.Context(), m, presence.Online, 1)
	require.NoError(t, err)
	w.ignore(m, 2, true)
	require.Equal(t, "online", w.mode(m), "coming back is a new start")
}

func TestExpireOffers_ZeroNeverSetsOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_ignored_offers_before_offline", 0)
	m := w.mitra()
	w.ignore(m, 5, true)
	require.Equal(t, "online", w.mode(m))
}

func TestExpireOffers_OnceOnTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_wave_size", 50)
	other, mitras := w.second(), w.mitras(30)
	s := w.asks(w.free, mitras...)
	w.exec(`update session_offers set status = 'delivered', expires_at = now()`)
	outcomes := race(10, w.db, other, func(_ int, db *postgres.DB) error {
		_, err := db.Pairing().ExpireOffers(t.Context(), 7)
		return err
	})
	require.Equal(t, map[core.Code]int{"": 10}, outcomes)
	for n := 1; n > 0; {
		var err error
		n, err = w.db.Pairing().ExpireOffers(t.Context(), 100)
		require.NoError(t, err)
	}
	require.Equal(t, 30, value[int](w, `select count(*) from session_offers where status = 'expired'`))
	require.Equal(t, 30, value[int](w, `select sum(ignored_offers)::int from mitras`))
	require.Len(t, events[pairing.Closed](w, core.OfferClosed, mitras[3]), 1)
	require.NotZero(t, s.ID)
}
