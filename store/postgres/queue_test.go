package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

func (w *world) offersOldest(m core.MitraID) bool {
	w.t.Helper()
	made, err := w.db.Pairing().OfferOldest(w.t.Context(), m)
	require.NoError(w.t, err)
	return made
}

func TestQueue_OldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second, third := w.asks(w.free), w.asks(w.free), w.asks(w.free)
	w.exec(`update chat_sessions set created_at = now() - interval '1 minute' where id = $1`, third.ID) // rerouted, say
	waiting, err := w.db.Pairing().Waiting(t.Context())
	require.NoError(t, err)
	var order []core.SessionID
	for _, one := range waiting {
		order = append(order, one.SessionID)
	}
	require.Equal(t, []core.SessionID{third.ID, first.ID, second.ID}, order)

	w.set("pairing_max_open_offers", 5)
	m := w.mitra()
	for range 3 {
		require.True(t, w.offersOldest(m))
	}
	require.False(t, w.offersOldest(m), "all were offered to this one")
	var offered []core.SessionID
	for _, o := range events[pairing.Offer](w, core.OfferMade, m) {
		offered = append(offered, o.SessionID)
	}
	require.Equal(t, order, offered)
	require.Equal(t, 0, value[int](w, `select wave from session_offers where session_id = $1`, first.ID))
	require.Zero(t, value[int](w, `select count(*) from session_waves where offered > 0`), "such offers are no waves")
}

func TestQueue_OnlyWhoMayBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, busy := w.starts()
	w.asks(w.free)
	require.False(t, w.offersOldest(busy))
	away := w.mitra()
	w.exec(`update mitras set mode = 'finishing' where id = $1`, away)
	require.False(t, w.offersOldest(away))
	require.False(t, w.offersOldest(core.NewID[core.MitraID]()))
}

func TestQueue_NothingWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asks(w.free, w.mitra()) // its wave runs
	over := w.asks(w.free)
	w.exec(`update chat_sessions set search_deadline_at = now() where id = $1`, over.ID)
	require.False(t, w.offersOldest(w.mitra()))
	waiting, err := w.db.Pairing().Waiting(t.Context())
	require.NoError(t, err)
	require.Empty(t, waiting)
}

// Thirty mitras become free at once for three searches that may have five open offers each.
func TestQueue_RoomUnderParallelMitras(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, mitras := w.second(), w.mitras(30)
	for range 3 {
		w.asks(w.free)
	}
	for round := 0; round < 10 && value[int](w, `select count(*) from session_offers`) < 15; round++ { // the tick of a second
		outcomes := race(len(mitras), w.db, other, func(i int, db *postgres.DB) error {
			_, err := db.Pairing().OfferOldest(t.Context(), mitras[i])
			return err
		})
		require.Equal(t, map[core.Code]int{"": len(mitras)}, outcomes)
		require.LessOrEqual(t, value[int](w, `select max(n) from (select count(*) as n from session_offers group by session_id) per`), 5)
	}
	require.Equal(t, 15, value[int](w, `select count(*) from session_offers`))
	require.LessOrEqual(t, value[int](w, `select max(n) from (select count(*) as n from session_offers group by mitra_id) per`), 2)
}

func TestQueue_AcceptedLikeAnyOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, m := w.asks(w.free), w.mitra()
	require.True(t, w.offersOldest(m))
	require.Equal(t, m, w.accepts(s, m).MitraID)
}
