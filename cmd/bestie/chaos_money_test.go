package main

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/store/postgres/pgtest"
)

// A crowd pays, extends and changes its mitras while both instances, processes of their own, are killed, frozen and cut off, and
// Postgres loses connections and answers, in a random order. At the end every rupiah that the vendor took is accounted for. The
// short form is a part of the tests; CHAOS_MONEY=10m is how long the other one goes on (make chaos-money), CHAOS_SEED repeats a
// run.
func TestChaosMoney(t *testing.T) {
	t.Parallel()
	lasts, err := time.ParseDuration(cmp.Or(os.Getenv("CHAOS_MONEY"), "8s"))
	require.NoError(t, err)
	seed := rand.Uint64()
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	a := newArena(t, shortTimes, seed, true)
	a.world.set("payment_timeout_seconds", 60)
	a.world.set("reroute_after_seconds", 30)
	a.crowd.Paid, a.crowd.Customers, a.crowd.AnswerTimeout = true, 10, 45*time.Second
	a.a.startOutside()
	a.b.startOutside()
	dice := rand.New(rand.NewPCG(seed, 0))
	a.play(func() {
		for end := time.Now().Add(lasts); time.Now().Before(end); {
			misfortune := misfortunes[dice.IntN(len(misfortunes))]
			t.Logf("%s", misfortune.name)
			misfortune.happens(a, []*stand{a.a, a.b}[dice.IntN(2)])
			a.hold(time.Duration(dice.Int64N(int64(time.Second))))
		}
	})
	a.until(func() bool {
		return a.count(`select count(*) from sandbox_checkouts c
			where status = 'completed' and not exists (select from payment_receipts r where r.provider_id = c.id)`) == 0
	}, "money that the vendor took and nobody heard of")
	t.Logf("%d sessions, %d receipts, %d of them credited, %d extensions, %d reroutes, %d rupiah given back",
		a.count(`select count(*) from chat_sessions`), a.count(`select count(*) from payment_receipts`),
		a.count(`select count(*) from payment_receipts where credited`), a.count(`select count(*) from session_extensions where status = 'paid'`),
		a.count(`select coalesce(sum(round), 0) from chat_sessions`), a.count(`select coalesce(sum(amount), 0)::bigint from customer_credits where reason = 'returned'`))
}

// misfortunes each leave everything as it was, after a while.
var misfortunes = []struct {
	name    string
	happens func(a *arena, s *stand)
}{
	{"an instance is killed", func(a *arena, s *stand) {
		s.kill()
		a.hold(300 * time.Millisecond)
		s.startOutside()
	}},
	{"both are killed", func(a *arena, _ *stand) {
		a.a.kill()
		a.b.kill()
		a.hold(time.Second)
		a.a.startOutside()
		a.b.startOutside()
	}},
	{"an instance stands still", func(a *arena, s *stand) {
		s.signal(syscall.SIGSTOP)
		a.hold(2 * time.Second)
		s.signal(syscall.SIGCONT)
	}},
	{"answers of postgres are lost", func(a *arena, s *stand) {
		s.postgres.Set(fault.Mode{LoseAnswers: true})
		a.hold(300 * time.Millisecond)
		s.postgres.Heal()
	}},
	{"an instance is cut off from postgres", func(a *arena, s *stand) {
		s.postgres.Set(fault.Silence)
		a.hold(time.Second)
		s.postgres.Heal()
	}},
	{"all connections of postgres are ended", func(a *arena, _ *stand) {
		pgtest.Exec(a.t, a.adminURL, `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1`, role)
	}},
	{"postgres is killed", func(a *arena, _ *stand) {
		require.NoError(a.t, a.postgres.Kill())
		a.hold(300 * time.Millisecond)
		require.NoError(a.t, a.postgres.Start(context.Background()))
	}},
}
