package postgres_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
)

func TestDeactivate_TakesEverythingWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("mitra_max_capacity", 3)
	a, by, m := w.db.Admin(), w.operator(core.Attendant), w.mitra()
	active := w.accepts(w.asks(w.free, m), m)
	unpaid := w.accepts(w.asks(w.paid, m), m)
	offered := w.asks(w.free, m)
	session := w.signIn(core.Mitra, core.UserID(m))

	done, err := a.Deactivate(t.Context(), by, m)
	require.NoError(t, err)
	require.False(t, done.Mitra.Active)
	require.Equal(t, "offline", done.Mitra.Mode)
	require.Zero(t, done.Mitra.Capacity)
	require.ElementsMatch(t, []core.SessionID{active.ID, unpaid.ID}, done.Ended)

	for id, want := range map[core.SessionID]string{active.ID: "ended", unpaid.ID: "cancelled"} {
		status, reason := w.session(id)
		require.Equal(t, []string{want, "deactivated"}, []string{status, reason})
		require.Contains(t, w.history(id), want+":cc_user:deactivated")
	}
	told := events[chat.Session](w, core.SessionUpdated, active.CustomerID)
	require.Equal(t, chat.ReasonDeactivated, told[len(told)-1].EndReason, "the customer knows")
	require.Equal(t, "withdrawn", w.offerStatus(offered, m))
	require.Equal(t, pairing.ClosedWithdrawn, events[pairing.Closed](w, core.OfferClosed, m)[0].Reason)
	change := events[presence.Change](w, core.PresenceChanged, m)
	require.Len(t, change, 1)
	require.Equal(t, presence.Change{Mode: presence.Offline, Reason: presence.Deactivated, Version: done.Mitra.Version, At: change[0].At}, change[0])
	revoked := events[auth.Revoked](w, core.AuthRevoked, m)
	require.Equal(t, []core.AuthSessionID{session}, revoked[0].Sessions)
	require.Equal(t, auth.Deactivated, revoked[0].Reason)
	require.Equal(t, "deactivated", value[string](w, `select reason from mitra_status_logs where mitra_id = $1 and not is_active order by id desc limit 1`, m))
	require.Len(t, w.audited(m), 1)
	require.Equal(t, []string{"session.updated", "presence.changed", "auth.revoked"}, value[[]string](w, `
		select array_agg(kind order by id) from (select distinct on (kind) kind, id from event_outbox
			where to_user = $1 and kind in ('session.updated', 'presence.changed', 'auth.revoked') order by kind, id desc) x`, core.UserID(m)),
		"its app hears of its sessions before its socket closes")
}

func TestDeactivate_Twice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, by, m := w.db.Admin(), w.operator(core.Attendant), w.mitra()
	first, err := a.Deactivate(t.Context(), by, m)
	require.NoError(t, err)
	again, err := a.Deactivate(t.Context(), by, m)
	require.NoError(t, err)
	require.Equal(t, first.Mitra, again.Mitra)
	require.Len(t, w.audited(m), 1)

	back, err := a.Activate(t.Context(), by, m)
	require.NoError(t, err)
	require.True(t, back.Active)
	require.Greater(t, back.Version, first.Mitra.Version)
	require.Equal(t, "offline", back.Mode, "it comes online by itself")
	_, err = a.Activate(t.Context(), by, m)
	require.NoError(t, err)
	require.Len(t, w.audited(m), 2)

	nobody := core.NewID[core.MitraID]()
	_, err = a.Deactivate(t.Context(), by, nobody)
	code(t, err, core.NotFound)
	_, err = a.Activate(t.Context(), by, nobody)
	code(t, err, core.NotFound)
	_, err = a.TakeOffline(t.Context(), by, nobody)
	code(t, err, core.NotFound)
}

// Whoever is first, nobody ends up in a session with a mitra who is deactivated.
func TestDeactivate_AgainstAccepts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("mitra_max_capacity", 5)
	w.set("pairing_max_open_offers", 5)
	by := w.operator(core.Attendant)
	for range 10 {
		m := w.mitra()
		var sessions []chat.Session
		for range 4 {
			sessions = append(sessions, w.asks(w.free, m))
		}
		var racing sync.WaitGroup
		for _, s := range sessions {
			offer := w.offer(s, m)
			racing.Go(func() { _, _ = w.db.Pairing().Accept(t.Context(), offer, m, 1) })
		}
		racing.Go(func() {
			_, err := w.db.Admin().Deactivate(t.Context(), by, m)
			require.NoError(t, err)
		})
		racing.Wait()
		require.Zero(t, value[int](w, `select count(*) from chat_sessions where mitra_id = $1 and status in ('pending_payment', 'active')`, m))
		require.Zero(t, value[int](w, `select count(*) from session_offers where mitra_id = $1 and status in ('offered', 'delivered')`, m))
	}
}

func TestTakeOffline_SessionsGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	by := w.operator(core.Attendant)
	s, m := w.starts()
	for range 2 {
		gone, err := w.db.Admin().TakeOffline(t.Context(), by, m)
		require.NoError(t, err)
		require.Equal(t, []any{"offline", true, 1}, []any{gone.Mode, gone.Active, gone.Capacity})
	}
	status, _ := w.session(s.ID)
	require.Equal(t, "active", status)
	change := events[presence.Change](w, core.PresenceChanged, m)
	require.Len(t, change, 1)
	require.Equal(t, presence.ByOperator, change[0].Reason)
	require.Equal(t, []string{`mitra.offline {"mode": "online"} -> {"mode": "offline"}`}, w.audited(m))
}

func TestEndSession_ByOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, by := w.db.Admin(), w.operator(core.Attendant)
	active, m := w.starts()
	other := w.mitra()
	unpaid := w.accepts(w.asks(w.paid, other), other)
	asked := w.mitra()
	searching := w.asks(w.free, asked)
	for id, want := range map[core.SessionID]string{active.ID: "ended", unpaid.ID: "cancelled", searching.ID: "cancelled"} {
		for range 2 { // repeating it gives the session again
			over, err := a.EndSession(t.Context(), by, id, "asked for by phone")
			require.NoError(t, err)
			require.Equal(t, []string{want, "operator"}, []string{over.Status, over.EndReason})
		}
		require.Len(t, w.audited(id), 1)
	}
	require.Equal(t, "withdrawn", w.offerStatus(searching, asked))
	require.Equal(t, chat.ReasonOperator, events[chat.Session](w, core.SessionUpdated, m)[1].EndReason)

	talk, _ := w.starts()
	_, err := w.db.Chat().End(t.Context(), talk.ID, as(core.Customer, talk.CustomerID), "")
	require.NoError(t, err)
	_, err = a.EndSession(t.Context(), by, talk.ID, "")
	code(t, err, core.WrongState)
	_, err = a.EndSession(t.Context(), by, core.NewID[core.SessionID](), "")
	code(t, err, core.NotFound)
}

func TestStory_TellsWhyNobodyWasFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	chosen, busy, off := w.mitra(), w.mitra(), w.mitra()
	w.accepts(w.asks(w.free, busy), busy)
	w.exec(`update mitras set mode = 'offline' where id = $1`, off)
	s := w.asks(w.free, chosen, busy, off)
	_, err := w.db.Admin().EndSession(t.Context(), w.operator(core.Attendant), s.ID, "why")
	require.NoError(t, err)
	story, err := w.db.Admin().Story(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, "cancelled", story.Session.Status)
	require.Len(t, story.Events, 2)
	require.Equal(t, []string{"", "searching", "customer"}, []string{story.Events[0].From, story.Events[0].To, story.Events[0].ActorType})
	require.Equal(t, []string{"searching", "cancelled", "cc_user", "operator", "why"},
		[]string{story.Events[1].From, story.Events[1].To, story.Events[1].ActorType, story.Events[1].Reason, story.Events[1].Note})
	require.Len(t, story.Waves, 1)
	why := map[core.MitraID]string{}
	for _, c := range story.Waves[0].Considered {
		why[c.MitraID] = c.Why
		require.Equal(t, "Ayu", c.MitraName)
	}
	require.Equal(t, map[core.MitraID]string{chosen: "offered", busy: "busy", off: "not_online"}, why)
	require.Len(t, story.Offers, 1)
	require.Equal(t, []string{"withdrawn", "Ayu"}, []string{story.Offers[0].Status, story.Offers[0].MitraName})
	_, err = w.db.Admin().Story(t.Context(), core.NewID[core.SessionID]())
	code(t, err, core.NotFound)
}
