package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

func postgresTrials() []trial {
	return []trial{
		{name: "postgres is killed and comes back", run: postgresKilled, breaksPostgres: true},
		{name: "postgres is frozen", run: postgresFrozen, breaksPostgres: true},
		{name: "postgres takes no more connections", run: postgresFull, breaksPostgres: true},
		{name: "answers of postgres are lost", run: answersLost},
		{name: "one instance is cut off from postgres", run: postgresCut},
	}
}

func postgresKilled(a *arena) {
	a.inside()
	a.slowest = time.Second
	a.play(func() {
		require.NoError(a.t, a.postgres.Kill())
		a.hold(a.times.pick(2*time.Second, 10*time.Second))
		require.NoError(a.t, a.postgres.Start(context.Background()))
	})
}

func postgresFrozen(a *arena) {
	a.inside()
	a.slowest = postgresPatience
	a.play(func() {
		require.NoError(a.t, a.postgres.Pause())
		a.hold(a.times.pick(3*time.Second, 5*time.Second))
		require.NoError(a.t, a.postgres.Resume())
	})
}

// postgresPatience is what a request takes at most when Postgres does not answer.
const postgresPatience = 2500 * time.Millisecond

// Somebody else holds nearly all connections; the instances, which lost theirs, share what is left.
func postgresFull(a *arena) {
	a.inside()
	a.play(func() {
		pgtest.Exec(a.t, a.adminURL, fmt.Sprintf(`alter role %s connection limit 2`, role))
		pgtest.Exec(a.t, a.adminURL, `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1`, role)
		a.hold(a.times.pick(4*time.Second, 30*time.Second))
		pgtest.Exec(a.t, a.adminURL, fmt.Sprintf(`alter role %s connection limit -1`, role))
	})
}

// Commits whose answer never arrives may have happened: who asks again, with the same key, gets what was made.
func answersLost(a *arena) {
	a.inside()
	a.play(func() {
		for range 5 {
			a.b.postgres.Set(fault.Mode{LoseAnswers: true})
			a.hold(a.times.pick(300*time.Millisecond, 2*time.Second))
			a.b.postgres.Heal()
			a.pairs(2)
		}
	})
}

// It can promise nothing meanwhile, and what it had sent arrives late.
func postgresCut(a *arena) {
	a.inside()
	a.slowest = postgresPatience
	a.play(func() {
		a.b.postgres.Set(fault.Silence)
		a.pairs(2)
		a.hold(a.times.pick(3*time.Second, 30*time.Second))
		a.b.postgres.Heal()
	})
}
