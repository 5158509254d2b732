package main

import (
	"context"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/core"
)

func instanceTrials() []trial {
	return []trial{
		{name: "an instance is killed between commit and publish", run: instanceKilled},
		{name: "both instances are killed and started again", run: bothInstancesKilled},
		{name: "an instance is told to stop", run: instanceStopped},
		{name: "an instance stands still", run: instanceFrozen},
		{name: "one clock is a minute ahead and one behind", run: clocksOff},
		{name: "valkey is killed and an instance is told to stop", run: valkeyKilledInstanceStopped},
		{name: "both stores are killed", run: bothKilled, breaksPostgres: true},
		{name: "one instance is cut off from valkey and its clock is off", run: cutClockOff},
	}
}

// outside starts instance a as a process of its own, to be killed and frozen.
func (a *arena) outside() {
	a.a.startOutside()
	a.b.startInside(core.SystemClock)
}

// What it committed it cannot publish, and then it is gone: the other one tells everybody. A mitra who does not come back is soon
// neither counted nor among the sockets, and then offline.
func instanceKilled(a *arena) {
	a.outside()
	a.play(func() {
		g := a.guest(a.a)
		a.until(func() bool { return g.is(`mode = 'online'`) }, "the guest to be online")
		defer func() { a.until(func() bool { return g.is(`mode = 'offline'`) }, "the guest to be taken offline") }()
		a.a.valkey.Set(fault.Mode{SilenceRequests: true})
		a.until(a.unpublished, "events that the instance could not publish")
		a.a.kill()
	})
}

func bothInstancesKilled(a *arena) {
	a.a.startOutside()
	a.b.startOutside()
	a.play(func() {
		a.a.kill()
		a.b.kill()
		a.hold(a.times.pick(500*time.Millisecond, 5*time.Second))
		a.a.startOutside()
		a.b.startOutside()
	})
}

// unpublished tells whether an event waits for its instance.
func (a *arena) unpublished() bool {
	return a.count(`select count(*) from event_outbox where published_at is null and created_at < now() - interval '200 ms'`) > 0
}

func instanceStopped(a *arena) {
	a.outside()
	a.play(func() {
		a.a.signal(syscall.SIGTERM)
		code, took := a.a.ends()
		require.Zero(a.t, code, "%s", a.a.said)
		a.t.Logf("gone after %v, with 2 s to drain", took)
	})
}

// It stands still for two thirds of the time after which its mitras would be called silent, wakes up, and does nothing that has become
// wrong meanwhile.
func instanceFrozen(a *arena) {
	if !a.times.long {
		a.times.stale, a.times.idle = 12, 12
		a.crowd.Stale = a.times.staleLimit()
	}
	a.outside()
	a.crowd.AnswerTimeout = a.times.pick(40*time.Second, 90*time.Second)
	a.play(func() {
		a.a.signal(syscall.SIGSTOP)
		a.hold(a.times.pick(8*time.Second, 30*time.Second))
		a.a.signal(syscall.SIGCONT)
	})
	require.Zero(a.t, a.count(`select count(*) from mitra_status_logs where reason = 'heartbeat_timeout'`), "nobody was taken offline")
}

func clocksOff(a *arena) {
	a.a.startInside(func() time.Time { return time.Now().Add(-time.Minute) })
	a.b.startInside(func() time.Time { return time.Now().Add(time.Minute) })
	a.play(func() {
		a.pairs(5)
		a.hold(a.times.staleLimit())
	})
}

func valkeyKilledInstanceStopped(a *arena) {
	a.outside()
	a.play(func() {
		require.NoError(a.t, a.valkey.Kill())
		a.a.signal(syscall.SIGTERM)
		code, _ := a.a.ends()
		require.Zero(a.t, code, "%s", a.a.said)
		a.pairs(2)
		require.NoError(a.t, a.valkey.Start(context.Background()))
	})
}

func bothKilled(a *arena) {
	a.inside()
	a.play(func() {
		require.NoError(a.t, a.postgres.Kill())
		require.NoError(a.t, a.valkey.Kill())
		a.hold(a.times.pick(2*time.Second, 30*time.Second))
		require.NoError(a.t, a.valkey.Start(context.Background()))
		a.hold(a.times.pick(time.Second, 5*time.Second))
		require.NoError(a.t, a.postgres.Start(context.Background()))
	})
}

func cutClockOff(a *arena) {
	a.a.startInside(core.SystemClock)
	a.b.startInside(func() time.Time { return time.Now().Add(-time.Minute) })
	a.play(func() {
		a.b.valkey.Set(fault.Mode{SilenceAnswers: true}) // one way
		a.pairs(3)
		a.hold(a.times.staleLimit() + 2*time.Second)
		a.b.valkey.Heal()
	})
}
