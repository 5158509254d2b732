package postgres_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
)

// life drives one session at random and holds every step against the table of transitions.
type life struct {
	*world
	s      chat.Session
	mitras []core.MitraID
}

// What can happen to a session, each with its deadline moved to now first where it is one of time. They are tried in every
// state, so most of them must be refused or do nothing.
var happenings = map[string]func(l *life) error{
	"first accepts":  func(l *life) error { return l.accept(l.mitras[0]) },
	"second accepts": func(l *life) error { return l.accept(l.mitras[1]) },
	"first declines": func(l *life) error {
		return l.db.Pairing().Decline(l.t.Context(), l.offer(l.s, l.mitras[0]), l.mitras[0], "")
	},
	"customer cancels": func(l *life) error {
		_, err := l.db.Pairing().Cancel(l.t.Context(), l.s.ID, l.s.CustomerID)
		return err
	},
	"customer ends": func(l *life) error {
		_, err := l.db.Chat().End(l.t.Context(), l.s.ID, as(core.Customer, l.s.CustomerID), "")
		return err
	},
	"mitra ends": func(l *life) error {
		_, err := l.db.Chat().End(l.t.Context(), l.s.ID, as(core.Mitra, l.mitras[0]), "")
		return err
	},
	"warning is due": func(l *life) error {
		l.exec(`update chat_sessions set warn_at = now() where id = $1`, l.s.ID)
		return l.db.Chat().WarnEnding(l.t.Context(), l.s.ID)
	},
	"end is due": func(l *life) error {
		l.exec(`update chat_sessions set started_at = now() - interval '1 hour', ends_at = now() where id = $1 and status = 'active'`, l.s.ID)
		return l.db.Chat().Expire(l.t.Context(), l.s.ID)
	},
	"end is not due": func(l *life) error { return l.db.Chat().Expire(l.t.Context(), l.s.ID) },
	"payment is due": func(l *life) error {
		l.exec(`update chat_sessions set payment_deadline_at = now() where id = $1 and status = 'pending_payment'`, l.s.ID)
		return l.db.Chat().PaymentTimeout(l.t.Context(), l.s.ID)
	},
	"search is over": func(l *life) error {
		l.exec(`update chat_sessions set search_deadline_at = now() where id = $1 and status = 'searching'`, l.s.ID)
		return l.db.Pairing().Unmatch(l.t.Context(), l.s.ID)
	},
	"wave is over": func(l *life) error {
		l.exec(`update session_offers set expires_at = now() where session_id = $1`, l.s.ID)
		return l.db.Pairing().NextWave(l.t.Context(), l.s.ID, 1, nil)
	},
}

func (l *life) accept(m core.MitraID) error {
	_, err := l.db.Pairing().Accept(l.t.Context(), l.offer(l.s, m), m, 1)
	return err
}

// now is the session as its mitra or customer would see it.
func (l *life) now(t *rapid.T) (s chat.Session) {
	err := l.sql.QueryRow(l.t.Context(), `select status, version, ending_soon from chat_sessions where id = $1`, l.s.ID).
		Scan(&s.Status, &s.Version, &s.EndingSoon)
	require.NoError(t, err)
	return s
}

func TestLife_OnlyAlongTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set("pairing_ignored_offers_before_offline", 0)
	rapid.Check(t, func(rt *rapid.T) {
		pack := w.free
		if rapid.Bool().Draw(rt, "paid") {
			pack = w.paid
		}
		l := &life{world: w, mitras: w.mitras(2)}
		l.s = w.asks(pack, l.mitras...)
		before := l.now(rt)
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names(happenings)), 1, 10).Draw(rt, "happenings") {
			err := happenings[name](l)
			after := l.now(rt)
			l.step(rt, name, before, after, err)
			before = after
		}
		l.over(rt, before)
	})
}

// step is what must hold after everything that happens.
func (l *life) step(t *rapid.T, name string, before, after chat.Session, err error) {
	switch {
	case after.Status != before.Status:
		require.True(t, chat.May(before.Status, after.Status), "%s: %s to %s", name, before.Status, after.Status)
		require.Equal(t, before.Version+1, after.Version, name)
		require.NoError(t, err, name)
	case after.EndingSoon != before.EndingSoon:
		require.Equal(t, "warning is due", name)
		require.Equal(t, before.Version+1, after.Version)
	default:
		require.Equal(t, before.Version, after.Version, name)
	}
	require.NotEqual(t, core.Internal, core.CodeOf(err), "%s: %v", name, err)
	require.NotEqual(t, core.Unavailable, core.CodeOf(err), "%s: %v", name, err)
	held := 0
	if after.Status.Holds() {
		held = 1
	}
	require.Equal(t, held, value[int](l.world, `select count(*) from chat_sessions where mitra_id = any($1) and status in ('pending_payment', 'active')`, l.mitras))
	if after.Status != chat.Searching {
		require.Zero(t, value[int](l.world, `select count(*) from session_offers where session_id = $1 and status in ('offered', 'delivered')`, l.s.ID), name)
	}
}

// over is what must hold for the whole of a life.
func (l *life) over(t *rapid.T, last chat.Session) {
	require.Zero(t, value[int](l.world, `
		select count(*) from (
			select from_status, lag(to_status) over (order by id) as came from session_events where session_id = $1) e
		where from_status is distinct from came`, l.s.ID), "the recorded path has no gap")
	require.Equal(t, string(last.Status), value[string](l.world, `select to_status from session_events where session_id = $1 order by id desc limit 1`, l.s.ID))
	var told []int64
	for _, s := range events[chat.Session](l.world, core.SessionUpdated, l.s.CustomerID) {
		told = append(told, s.Version)
	}
	require.Len(t, told, int(last.Version), "the customer heard of every version once")
	require.Equal(t, last.Version, told[len(told)-1])
	l.exec(`update chat_sessions set status = 'cancelled', end_reason = 'operator', ended_at = now() where id = $1 and ended_at is null`, l.s.ID)
}

func names[V any](m map[string]V) (all []string) {
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
