package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/store/postgres"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// Deadlines are rows: whoever set them may be gone.

// dueKinds are the deadlines that end a status: $1 the session, $2 in how many milliseconds.
var dueKinds = []string{
	`update chat_sessions set started_at = now() - interval '1 hour', warn_at = now() - interval '59 minutes', ending_soon = true,
		ends_at = now() + $2 * interval '1 millisecond' where id = $1`,
	`update chat_sessions set payment_deadline_at = now() + $2 * interval '1 millisecond' where id = $1`,
	`update chat_sessions set waiting = true, wave_deadline_at = null, search_deadline_at = now() + $2 * interval '1 millisecond' where id = $1`,
}

// sessions makes as many, each in one of the three live statuses in turn.
func (w *world) sessions(db *postgres.DB, n int) (all []core.SessionID) {
	w.t.Helper()
	packs := map[bool]core.PackageID{}
	onSale, err := db.Chat().Packages(w.t.Context())
	require.NoError(w.t, err)
	for _, p := range onSale {
		packs[p.Price > 0] = p.ID
	}
	for i := range n {
		customer, mitra := core.NewID[core.CustomerID](), core.NewID[core.MitraID]()
		w.exec(`insert into customers (id) values ($1)`, customer.String())
		w.exec(`insert into mitras (id, phone, display_name, mode, last_heartbeat_at, available_since, connection_epoch)
			values ($1, $2, 'M', 'online', now() + interval '1 hour', now(), 1)`, mitra.String(), fmt.Sprint("+62900000", 1000+i))
		status := i % len(dueKinds)
		asked := []core.MitraID{mitra}[:min(1, 2-status)]
		s, err := db.Pairing().Request(w.t.Context(), pairing.Request{CustomerID: customer, Key: "k", PackageID: packs[status == 1]}, asked)
		require.NoError(w.t, err)
		if len(asked) > 0 {
			offers, err := db.Pairing().Open(w.t.Context(), mitra)
			require.NoError(w.t, err)
			_, err = db.Pairing().Accept(w.t.Context(), offers[0].ID, mitra, 1)
			require.NoError(w.t, err)
		}
		all = append(all, s.ID)
	}
	return all
}

func (a *arena) over(n int) bool {
	return a.count(`select count(*) from chat_sessions where status not in ('searching', 'pending_payment', 'active')`) == int64(n)
}

// onceEach wants each session to have had one end, told once, and tells how late the latest was.
func (a *arena) onceEach() (latest time.Duration) {
	require.Zero(a.t, a.count(`
		select count(*) from chat_sessions s where 1 <> (
			select count(*) from session_events where session_id = s.id and to_status in ('ended', 'cancelled', 'unmatched'))`))
	require.Zero(a.t, a.count(`
		select count(*) from chat_sessions s where 1 <> (
			select count(*) from event_outbox where kind = 'session.updated' and to_user = s.customer_id
				and body->>'status' in ('ended', 'cancelled', 'unmatched'))`))
	return time.Duration(a.count(`
		select (extract(epoch from max(ended_at - case status when 'ended' then ends_at when 'cancelled' then payment_deadline_at
			else search_deadline_at end)) * 1000)::bigint from chat_sessions`)) * time.Millisecond
}

// An instance is killed while deadlines come one after the other: the other one fires them all the same, each once.
func TestDeadlines_AnInstanceIsKilled(t *testing.T) {
	t.Parallel()
	const n = 42
	a := newArena(t, shortTimes, 1, false)
	a.a.startOutside()
	a.b.startOutside()
	for i, id := range a.world.sessions(pgtest.Open(t, a.databaseURL, postgres.Options{}), n) {
		a.world.exec(dueKinds[i%len(dueKinds)], id.String(), 2000+i*50)
	}
	a.until(func() bool { return !a.over(0) }, "the first one is over")
	a.a.kill()
	a.until(func() bool { return a.over(n) }, "all are over")
	t.Logf("the latest was %v late", a.onceEach())
}

// What became due while no instance was there is done at the start of one, in the order in which it became due, as far as workers that
// do several at once can keep one.
func TestDeadlines_WhatBecameDueWhileNobodyWasThere(t *testing.T) {
	t.Parallel()
	const n = 42
	a := newArena(t, shortTimes, 1, false)
	a.a.startOutside()
	all := a.world.sessions(pgtest.Open(t, a.databaseURL, postgres.Options{}), n)
	a.a.kill()
	rank := make(map[string]int64, n)
	for i, id := range all {
		rank[id.String()] = int64(i * 25 % n) // 25 and 42 have no common divisor: each once, in another order than they were made
		a.world.exec(dueKinds[i%len(dueKinds)], id.String(), -100_000+rank[id.String()]*1000)
	}
	a.b.startOutside()
	a.until(func() bool { return a.over(n) }, "all are over")
	a.onceEach()
	ended := pgtest.Value[[]string](t, a.databaseURL, `
		select array_agg(session_id::text order by id) from session_events where to_status in ('ended', 'cancelled', 'unmatched')`)
	var moved int64
	for i, id := range ended {
		moved += max(rank[id]-int64(i), int64(i)-rank[id])
	}
	require.LessOrEqual(t, moved, int64(4*n), "a random order has %d", n*n/3)
}

// Postgres's clock decides, not that of an instance.
func TestDeadlines_AClockIsOff(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"ahead": time.Minute, "behind": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.instanceAt(func() time.Time { return time.Now().Add(off) })
			db := pgtest.Open(t, w.databaseURL, postgres.Options{})
			all := w.sessions(db, 2*len(dueKinds))
			for i, id := range all { // half of them are due, half will be in half a minute
				w.exec(dueKinds[i%len(dueKinds)], id.String(), i/len(dueKinds)*30_000)
			}
			over := func(id core.SessionID) bool {
				return pgtest.Value[bool](t, w.databaseURL, `select ended_at is not null from chat_sessions where id = $1`, id.String())
			}
			for _, id := range all[:len(dueKinds)] {
				require.Eventually(t, func() bool { return over(id) }, patience, 20*time.Millisecond)
			}
			for _, id := range all[len(dueKinds):] {
				early := pgtest.Value[bool](t, w.databaseURL, `
					select coalesce(ended_at < case status when 'ended' then ends_at when 'cancelled' then payment_deadline_at
						else search_deadline_at end, false) from chat_sessions where id = $1`, id.String())
				require.False(t, early)
			}
		})
	}
}
