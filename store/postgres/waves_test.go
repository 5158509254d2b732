package postgres_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// why is what a wave recorded.
func (w *world) why(id core.SessionID, wave int) map[core.MitraID]pairing.Why {
	w.t.Helper()
	var considered []pairing.Considered
	text := value[string](w, `select considered::text from session_waves where session_id = $1 and number = $2`, id, wave)
	require.NoError(w.t, json.Unmarshal([]byte(text), &considered))
	all := map[core.MitraID]pairing.Why{}
	for _, c := range considered {
		all[c.MitraID] = c.Why
	}
	return all
}

func (w *world) search(id core.SessionID) pairing.Search {
	w.t.Helper()
	s, err := w.db.Pairing().Search(w.t.Context(), id)
	require.NoError(w.t, err)
	return s
}

func TestWave_RecordsWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_wave_size", 1)
	w.set("pairing_max_open_offers", 1)
	_, busy := w.starts()
	asked, away, gone, flooded, good, spare := w.mitra(), w.mitra(), w.mitra(), w.mitra(), w.mitra(), w.mitra()
	w.exec(`update mitras set mode = 'finishing' where id = $1`, away)
	w.exec(`update mitras set is_active = false where id = $1`, gone)
	w.asks(w.free, flooded)
	all := []core.MitraID{asked, busy, away, gone, flooded, good, spare}
	s := w.asks(w.free, all...)
	require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, asked), asked, ""))

	require.NoError(t, w.db.Pairing().NextWave(t.Context(), s.ID, 1, all))

	require.Equal(t, map[core.MitraID]pairing.Why{
		asked: pairing.AlreadyAsked, busy: pairing.Busy, away: pairing.NotOnlineMode, gone: pairing.Inactive,
		flooded: pairing.TooManyOffers, good: pairing.Chosen, spare: pairing.Surplus,
	}, w.why(s.ID, 2))
	got := w.search(s.ID)
	require.Equal(t, 2, got.Wave)
	require.ElementsMatch(t, []core.MitraID{asked, good}, got.Asked)
}

func TestWave_ExpiresTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := w.mitra(), w.mitra(), w.mitra()
	s := w.asks(w.free, a, b)
	require.NoError(t, w.db.Pairing().Received(t.Context(), w.offer(s, a), a))
	w.exec(`update session_offers set expires_at = now()`)

	require.NoError(t, w.db.Pairing().NextWave(t.Context(), s.ID, 1, []core.MitraID{c}))
	require.Equal(t, "expired", w.offerStatus(s, a))
	require.Equal(t, "undelivered", w.offerStatus(s, b))
	require.Equal(t, "offered", w.offerStatus(s, c))
	require.Equal(t, pairing.ClosedExpired, events[pairing.Closed](w, core.OfferClosed, b)[0].Reason)
}

func TestWave_RunsOnceOnTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	s := w.asks(w.free, w.mitra())
	candidates := w.mitras(10)
	outcomes := race(10, w.db, other, func(_ int, db *postgres.DB) error {
		return db.Pairing().NextWave(t.Context(), s.ID, 1, candidates)
	})
	require.Equal(t, map[core.Code]int{"": 10}, outcomes)
	require.Equal(t, 2, w.search(s.ID).Wave)
	require.Equal(t, 6, value[int](w, `select count(*) from session_offers where session_id = $1`, s.ID))
}

func TestWave_NobodyLeftWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.asks(w.free, w.mitra())
	require.False(t, w.search(s.ID).Waiting)
	require.NoError(t, w.db.Pairing().NextWave(t.Context(), s.ID, 1, nil))
	got := w.search(s.ID)
	require.True(t, got.Waiting)
	require.Equal(t, 2, got.Wave)
	require.Empty(t, w.why(s.ID, 2))
}

func TestWave_UsedUpWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_max_waves", 1)
	s := w.asks(w.free, w.mitra())
	require.NoError(t, w.db.Pairing().NextWave(t.Context(), s.ID, 1, w.mitras(1)))
	got := w.search(s.ID)
	require.True(t, got.Waiting)
	require.Equal(t, 1, got.Wave)
	require.NoError(t, w.db.Pairing().NextWave(t.Context(), s.ID, 1, w.mitras(1)), "waiting: nothing more")
	require.Equal(t, 1, w.search(s.ID).Wave)
}

// However many requests choose among the same mitras at once, nobody gets more than two open offers, and nobody who could be
// asked is left out.
func TestWave_OpenOfferCapUnderParallelRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, mitras := w.second(), w.mitras(10)
	customers := make([]core.CustomerID, 200)
	for i := range customers {
		customers[i] = w.customer()
	}
	outcomes := race(len(customers), w.db, other, func(i int, db *postgres.DB) error {
		_, err := db.Pairing().Request(t.Context(), pairing.Request{CustomerID: customers[i], Key: "k", PackageID: w.free}, mitras)
		return err
	})
	require.Equal(t, map[core.Code]int{"": len(customers)}, outcomes)
	require.Equal(t, 2, value[int](w, `select max(n) from (select count(*) as n from session_offers group by mitra_id) per`))
	require.Equal(t, 20, value[int](w, `select count(*) from session_offers`), "every place was used")
	require.Equal(t, value[int](w, `select count(*) from chat_sessions where not waiting`),
		value[int](w, `select count(distinct session_id) from session_offers`))
}

func TestWave_MovesAvailableSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, other := w.mitra(), w.mitra()
	w.exec(`update mitras set available_since = now() - interval '1 hour'`)
	w.asks(w.free, m)
	fallback := w.db.Presence()
	ids, err := fallback.FindAvailable(t.Context(), 5, nil, 1e12)
	require.NoError(t, err)
	require.Equal(t, []core.MitraID{other, m}, ids, "who was asked goes to the end of the line")
}

func TestDecline_AllEndTheWaveAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.mitra(), w.mitra()
	s := w.asks(w.free, a, b)
	over := func() bool {
		return value[bool](w, `select wave_deadline_at <= now() from chat_sessions where id = $1`, s.ID)
	}
	require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, a), a, "sibuk"))
	require.False(t, over())
	require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, a), a, "again"))
	require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, b), b, ""))
	require.True(t, over())
	require.Equal(t, "sibuk", value[string](w, `select decline_reason from session_offers where id = $1`, w.offer(s, a)))
	code(t, w.db.Pairing().Decline(t.Context(), w.offer(s, a), b, ""), core.NotFound)
}

func TestUnmatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.mitra()
	s := w.asks(w.free, m)
	require.NoError(t, w.db.Pairing().Unmatch(t.Context(), s.ID))
	status, _ := w.session(s.ID)
	require.Equal(t, "searching", status, "its time is not over")

	w.exec(`update chat_sessions set search_deadline_at = now() where id = $1`, s.ID)
	require.True(t, w.search(s.ID).Over)
	require.NoError(t, w.db.Pairing().Unmatch(t.Context(), s.ID))
	status, reason := w.session(s.ID)
	require.Equal(t, "unmatched", status)
	require.Equal(t, string(chat.ReasonNoMitra), reason)
	require.Equal(t, "undelivered", w.offerStatus(s, m))
	require.NoError(t, w.db.Pairing().Unmatch(t.Context(), s.ID))
	require.Equal(t, []int64{1, 2}, versions(events[chat.Session](w, core.SessionUpdated, s.CustomerID)))
	_, err := w.db.Pairing().Search(t.Context(), s.ID)
	code(t, err, core.NotFound)
}
