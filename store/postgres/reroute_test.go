package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
)

// reroutes is a reroute by the customer that must succeed.
func (w *world) reroutes(s chat.Session) chat.Session {
	w.t.Helper()
	s, err := w.db.Chat().Reroute(w.t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
	require.NoError(w.t, err)
	return s
}

// wave runs the wave that is due for a session.
func (w *world) wave(s chat.Session, candidates ...core.MitraID) pairing.Search {
	w.t.Helper()
	search, err := w.db.Pairing().Search(w.t.Context(), s.ID)
	require.NoError(w.t, err)
	require.NoError(w.t, w.db.Pairing().NextWave(w.t.Context(), s.ID, search.Wave, candidates))
	return search
}

func TestReroute_FromActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	former, lost, declined := w.mitra(), w.mitra(), w.mitra()
	s := w.asks(w.free, former, lost, declined)
	require.NoError(t, w.db.Pairing().Decline(t.Context(), w.offer(s, declined), declined, "no"))
	s = w.accepts(s, former)
	w.exec(`update chat_sessions set started_at = now() - interval '3 minutes', ends_at = now() + interval '7 minutes' where id = $1`, s.ID)

	got := w.reroutes(s)
	require.Equal(t, chat.Searching, got.Status)
	require.Equal(t, s.Version+1, got.Version)
	require.Zero(t, got.MitraID)
	require.Zero(t, got.EndsAt)
	require.Equal(t, s.CreatedAt, got.CreatedAt, "so it comes first in the queue")
	require.Equal(t, got, w.reroutes(s), "again: as it is")
	told := events[chat.Session](w, core.SessionUpdated, former)
	require.Equal(t, chat.Searching, told[len(told)-1].Status, "who lost it is told")
	require.True(t, value[bool](w, `select available_since > now() - interval '10 seconds' from mitras where id = $1`, former))

	due, _ := w.due(10)
	require.Equal(t, []chat.Due{{ID: s.ID, Status: chat.Searching}}, due, "its wave is due at once")
	search := w.wave(got, former, lost, declined)
	require.ElementsMatch(t, []core.MitraID{former, declined}, search.Asked, "who only lost may be asked again")
	require.Equal(t, 1, search.Wave)
	require.Equal(t, 1, search.Before)
	require.Equal(t, 1, value[int](w, `select count(*) from session_offers where session_id = $1 and status = 'offered'`, s.ID))
	offer := value[core.OfferID](w, `select id from session_offers where mitra_id = $1 and status = 'offered'`, lost)
	again, err := w.db.Pairing().Accept(t.Context(), offer, lost, 1)
	require.NoError(t, err)
	require.Equal(t, chat.Active, again.Status)
	require.InDelta(t, (7 * time.Minute).Seconds(), again.EndsAt.Sub(again.StartedAt).Seconds(), 5, "what was left of it")
	require.Contains(t, w.history(s.ID), "searching:customer:reroute active:mitra:accepted")

	_, err = w.db.Pairing().Accept(t.Context(), w.offer(s, former), former, 1)
	code(t, err, core.OfferExpired)
}

func TestReroute_WavesCountAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_max_waves", 1)
	s, former := w.starts()
	s = w.reroutes(s)
	w.wave(s) // nobody there: it waits
	require.True(t, value[bool](w, `select waiting from chat_sessions where id = $1`, s.ID))
	other := w.mitra()
	for m, want := range map[core.MitraID]bool{former: false, other: true} {
		made, err := w.db.Pairing().OfferOldest(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, want, made)
	}
}

func TestReroute_ByItsSidesAndOperatorsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, by := range map[string]func(s chat.Session, m core.MitraID) core.Principal{
		"customer": func(s chat.Session, _ core.MitraID) core.Principal { return as(core.Customer, s.CustomerID) },
		"mitra":    func(_ chat.Session, m core.MitraID) core.Principal { return as(core.Mitra, m) },
		"operator": func(chat.Session, core.MitraID) core.Principal {
			return as(core.Operator, core.NewID[core.OperatorID]())
		},
	} {
		s, m := w.starts()
		_, err := w.db.Chat().Reroute(t.Context(), s.ID, by(s, m), "why")
		require.NoError(t, err, name)
		require.Equal(t, "why", value[string](w, `select note from session_events where session_id = $1 order by id desc limit 1`, s.ID))
	}
	s, _ := w.starts()
	for _, stranger := range []core.Principal{as(core.Customer, w.customer()), as(core.Mitra, w.mitra())} {
		_, err := w.db.Chat().Reroute(t.Context(), s.ID, stranger, "")
		code(t, err, core.NotFound)
	}
}

func TestReroute_ErrWrongState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	searching := w.asks(w.free)
	ended, m := w.starts()
	_, err := w.db.Chat().End(t.Context(), ended.ID, as(core.Mitra, m), "")
	require.NoError(t, err)
	over, _ := w.starts()
	w.exec(`update chat_sessions set started_at = now() - interval '1 hour', ends_at = now() where id = $1`, over.ID)
	for name, s := range map[string]chat.Session{"first search": searching, "ended": ended, "its time is over": over} {
		_, err := w.db.Chat().Reroute(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
		code(t, err, core.WrongState)
		var state *chat.StateError
		require.ErrorAs(t, err, &state, name)
	}
}

func TestReroute_OnceWhileItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.second()
	for range 10 {
		s, m := w.starts()
		outcomes := race(2, w.db, other, func(i int, db *postgres.DB) error {
			if i == 0 {
				_, err := db.Chat().Reroute(t.Context(), s.ID, as(core.Customer, s.CustomerID), "")
				return err
			}
			_, err := db.Chat().End(t.Context(), s.ID, as(core.Mitra, m), "")
			return err
		})
		require.Equal(t, 1, outcomes[""], "%v", outcomes)
	}
}

func TestAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	chats := w.db.Chat()
	s, m := w.starts()
	absent, err := chats.Absent(t.Context(), 2*time.Minute)
	require.NoError(t, err)
	require.Empty(t, absent)
	w.exec(`update mitras set last_heartbeat_at = now() - interval '3 minutes' where id = $1`, m)
	absent, err = chats.Absent(t.Context(), 2*time.Minute)
	require.NoError(t, err)
	require.Equal(t, []chat.Absence{{Session: s.ID, Mitra: m}}, absent)

	w.exec(`update mitras set last_heartbeat_at = now() where id = $1`, m)
	done, err := chats.RerouteAbsent(t.Context(), absent[0], 2*time.Minute)
	require.NoError(t, err)
	require.False(t, done, "back in the last moment")
	w.exec(`update mitras set last_heartbeat_at = null where id = $1`, m)
	for _, want := range []bool{true, false} {
		done, err = chats.RerouteAbsent(t.Context(), absent[0], 2*time.Minute)
		require.NoError(t, err)
		require.Equal(t, want, done)
	}
	require.Contains(t, w.history(s.ID), "searching:system:mitra_gone")
}
