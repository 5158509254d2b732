package main

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/bench/fault"
	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/protocol"
	"github.com/halobestie/bestie-gateway/store/valkey/valkeytest"
)

// The availability mirror's own suite: what other programs may read in Valkey, area by area, while instances serve apps on
// real stores. What goes wrong in stores and instances is chaos_test.go's.
func TestMirror(t *testing.T) {
	t.Parallel()
	for _, area := range []struct {
		name string
		test func(*mirror)
	}{
		{"Seed", mirrorSeed},
		{"WriteThrough", mirrorWriteThrough},
		{"Fallbacks", mirrorFallbacks},
		{"CapacityOverTheSessionsLife", mirrorCapacity},
		{"AutoOffline", mirrorAutoOffline},
		{"HeartbeatMirror", mirrorHeartbeats},
		{"Deactivation", mirrorDeactivation},
		{"Beacon", mirrorBeacon},
		{"Reseed", mirrorReseed},
		{"PairingAcrossACut", mirrorCut},
	} {
		t.Run(area.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			area.test(&mirror{world: w, raw: valkeytest.Dial(t, w.valkeyURL)})
		})
	}
}

// mirror is a world whose Valkey is looked into.
type mirror struct {
	*world
	raw driver.Client
}

// text is what a command on a key answers, as text; "" for nil.
func (m *mirror) text(command, key string, args ...string) string {
	m.t.Helper()
	answer, err := m.raw.Do(m.t.Context(), m.raw.B().Arbitrary(command).Keys(m.prefix+key).Args(args...).Build()).ToAny()
	if driver.IsValkeyNil(err) {
		return ""
	}
	require.NoError(m.t, err)
	return fmt.Sprint(answer)
}

// becomes waits until a command on a key answers want.
func (m *mirror) becomes(want, command, key string, args ...string) {
	m.t.Helper()
	var is string
	require.Eventually(m.t, func() bool {
		is = m.text(command, key, args...)
		return is == want
	}, patience, 10*time.Millisecond, "%s %s %v is not %s", command, key, args, want)
}

func (m *mirror) until(holds func() bool) {
	m.t.Helper()
	require.Eventually(m.t, holds, patience, 10*time.Millisecond)
}

// beating is until, while a socket shows life as often as its rate allows.
func (m *mirror) beating(c *app, holds func() bool) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		c.tell(protocol.Heartbeat{})
		return holds()
	}, patience, 100*time.Millisecond)
}

// id is the mitra's that a socket belongs to.
func id(c *app) string { return c.welcome.UserID.String() }

// Mitras were there before this Valkey: whoever starts fills it, and says so by the epoch.
func mirrorSeed(m *mirror) {
	m.exec(`insert into mitras (id, phone, display_name, mode, is_active) values
		('00000000-0000-7000-8000-000000000001', '+6281100000001', 'Sari', 'online', true),
		('00000000-0000-7000-8000-000000000002', '+6281100000002', 'Dewi', 'finishing', true),
		('00000000-0000-7000-8000-000000000003', '+6281100000003', 'Putri', 'offline', false)`)
	require.Empty(m.t, m.text("GET", "mirror:epoch"))
	m.instance()
	require.NotEmpty(m.t, m.text("GET", "mirror:epoch"))
	require.Equal(m.t, "2", m.text("SCARD", "mitras:online"), "finishing is online, too")
	require.Equal(m.t, "[00000000-0000-7000-8000-000000000003]", m.text("SMEMBERS", "mitras:deactivated"))
	require.Equal(m.t, "0", m.text("GET", "mitra:capacity:00000000-0000-7000-8000-000000000002"))
	require.Equal(m.t, "1", m.text("ZCARD", "mitras:available"))
	require.Equal(m.t, "0", m.text("ZCARD", "mitras:waiting"), "nobody has a socket")
}

// Each transition is in the mirror a moment after it is committed, whichever instance made it.
func mirrorWriteThrough(m *mirror) {
	a, b := m.instance(), m.instance()
	sari := a.mitra("Sari").connect()
	require.Equal(m.t, "0", m.text("SISMEMBER", "mitras:online", id(sari)))
	sari.do(online())
	m.becomes("1", "SISMEMBER", "mitras:online", id(sari))
	m.until(func() bool { return m.text("ZSCORE", "mitras:waiting", id(sari)) != "" })
	sari.do(protocol.PresenceSet{Mode: protocol.ModeOffline})
	m.becomes("0", "SISMEMBER", "mitras:online", id(sari))
	m.becomes("", "ZSCORE", "mitras:waiting", id(sari))
	m.becomes("", "ZSCORE", "mitras:available", id(sari))

	there := sari.account.connectAt(b)
	there.do(online())
	m.becomes("1", "SISMEMBER", "mitras:online", id(sari))
	m.until(func() bool {
		row := m.text("HGET", "mitras:sockets", id(sari))
		return len(row) > 2 && row[:2] == "2 "
	})
	require.Equal(m.t, m.count(`select version from mitras`), int64(atoi(m.t, m.text("HGET", "mitras:version", id(sari)))))
}

// Without the mirror the same questions are answered by Postgres, and the metrics say so.
func mirrorFallbacks(m *mirror) {
	server := valkeytest.Private(m.t)
	m.valkeyURL, m.prefix = server.URL(), ""
	a := m.instance()
	sari := a.mitra("Sari").connect()
	sari.do(online())
	service := a.program.presence
	mitra, err := core.ParseID[core.MitraID](id(sari))
	require.NoError(m.t, err)
	ask := func() (n int, found []core.MitraID, reachable bool, counts presence.Counts) {
		ctx, cancel := context.WithTimeout(m.t.Context(), patience)
		defer cancel()
		now, err := service.Available(ctx)
		require.NoError(m.t, err)
		found, err = service.FindAvailable(ctx, 5, nil)
		require.NoError(m.t, err)
		reachable, err = service.IsReachable(ctx, mitra)
		require.NoError(m.t, err)
		counts, err = service.Counts(ctx)
		require.NoError(m.t, err)
		return now.Count, found, reachable, counts
	}
	m.until(func() bool {
		n, found, reachable, counts := ask()
		return n == 1 && len(found) == 1 && reachable && counts == presence.Counts{Online: 1, Available: 1, Waiting: 1, Sockets: 1, Whole: true}
	})
	require.Zero(m.t, service.Stats().Reads.Counts.Postgres)
	answered := service.Stats().Reads.Counts.Mirror

	require.NoError(m.t, server.Kill())
	m.until(func() bool {
		n, found, reachable, counts := ask()
		return n == 1 && len(found) == 1 && reachable && counts == presence.Counts{Online: 1, Available: 1}
	})
	reads := service.Stats().Reads
	for _, source := range []presence.Sources{reads.Available, reads.Find, reads.Reachable, reads.Counts} {
		require.Positive(m.t, source.Postgres)
	}
	require.NoError(m.t, server.Start(m.t.Context()))
	m.until(func() bool { ask(); return service.Stats().Reads.Counts.Mirror > answered })
	m.until(func() bool { return service.Degraded() == "" })
}

// The count in Valkey is the count in Postgres from the accept to the end, and whoever is full is not offered.
func mirrorCapacity(m *mirror) {
	a, b := m.instance(), m.instance()
	mitra, phone, session := m.talking(a, b)
	m.becomes("1", "GET", "mitra:capacity:"+id(mitra))
	m.becomes("", "ZSCORE", "mitras:waiting", id(mitra))
	m.becomes("", "ZSCORE", "mitras:available", id(mitra))
	phone.do(protocol.SessionEnd{SessionID: session.SessionID})
	m.becomes("0", "GET", "mitra:capacity:"+id(mitra))
	m.until(func() bool { return m.text("ZSCORE", "mitras:waiting", id(mitra)) != "" })

	customer := b.customer()
	buyer := customer.connect()
	buyer.do(protocol.PairingRequest{RequestKey: "paid", PackageID: customer.paidPackage()})
	mitra.do(protocol.OfferAccept{OfferID: await[protocol.Offer](mitra).OfferID})
	m.becomes("1", "GET", "mitra:capacity:"+id(mitra))
	paying := await(buyer, status(protocol.StatusPendingPayment)).Session
	m.exec(`update chat_sessions set payment_deadline_at = now() where id = $1`, paying.SessionID.String())
	await(buyer, status(protocol.StatusCancelled))
	m.becomes("0", "GET", "mitra:capacity:"+id(mitra))
}

// brisk are sweeps as often as the settings allow.
func brisk() []string {
	return []string{
		"MITRA_AUTO_OFFLINE_SWEEP_SECONDS=1", "HEARTBEAT_MIRROR_INTERVAL_SECONDS=1", "VALKEY_ONLINE_MIRROR_SWEEP_SECONDS=1",
	}
}

// Who is silent is offline a stale limit and a sweep later, with a row in the log; who beats stays.
func mirrorAutoOffline(m *mirror) {
	a := m.instance(append(brisk(), "MITRA_HEARTBEAT_STALE_SECONDS=8", "PRESENCE_GRACE_SECONDS=2")...)
	silent, lively := a.mitra("Sari").connect(), a.mitra("Dewi").connect()
	silent.do(online())
	lively.do(online())
	silent.cut()
	m.beating(lively, func() bool { return m.text("SISMEMBER", "mitras:online", id(silent)) == "0" })
	require.Equal(m.t, int64(1), m.count(`select count(*) from mitra_status_logs where reason = 'heartbeat_timeout'`))
	require.Equal(m.t, int64(1), m.count(`select count(*) from mitras where mode = 'online'`))
	require.Empty(m.t, m.text("GET", "mitra:heartbeat:"+id(silent)))
	require.Equal(m.t, "1", m.text("SISMEMBER", "mitras:online", id(lively)))
}

// What Valkey knows of heartbeats is in Postgres an interval later.
func mirrorHeartbeats(m *mirror) {
	a := m.instance(brisk()...)
	sari := a.mitra("Sari").connect()
	sari.do(online())
	m.exec(`update mitras set last_heartbeat_at = now() - interval '1 hour'`)
	m.beating(sari, func() bool {
		return m.count(`select count(*) from mitras where last_heartbeat_at > now() - interval '5 seconds'`) == 1
	})
	beat, err := time.Parse("2006-01-02T15:04:05.000Z", m.text("GET", "mitra:heartbeat:"+id(sari)))
	require.NoError(m.t, err)
	require.WithinDuration(m.t, time.Now(), beat, time.Minute)
}

// A deactivated mitra's socket closes wherever it is, with the event and also without it: the next heartbeat tells.
func mirrorDeactivation(m *mirror) {
	a, b := m.instance(brisk()...), m.instance(brisk()...)
	sari, dewi := b.mitra("Sari").connect(), b.mitra("Dewi").connect()
	sari.do(online())
	dewi.do(online())
	m.becomes("2", "ZCARD", "mitras:waiting")

	boss := a.operator(core.Attendant)
	boss.do(a, "PATCH", "/internal/mitras/"+id(sari)+"/status", `{"is_active": false}`)
	require.Equal(m.t, protocol.CloseInactive, sari.awaitClose())
	m.becomes("1", "SISMEMBER", "mitras:deactivated", id(sari))
	m.becomes("", "ZSCORE", "mitras:available", id(sari))

	m.exec(`update mitras set is_active = false, version = version + 1 where id = $1`, id(dewi)) // nobody is told
	m.becomes("1", "SISMEMBER", "mitras:deactivated", id(dewi))
	dewi.tell(protocol.Heartbeat{})
	require.Equal(m.t, protocol.CloseInactive, dewi.awaitClose())
}

// A change reaches subscribed customers of every instance within a second; the snapshot is shared, and never goes back in time.
func mirrorBeacon(m *mirror) {
	a, b := m.instance(), m.instance()
	phone := b.customer().connect()
	require.Zero(m.t, *phone.do(protocol.AvailabilitySubscribe{}).Available)
	sari := a.mitra("Sari").connect()
	began := time.Now()
	sari.do(online())
	told := await(phone, func(c protocol.Availability) bool { return c.Available == 1 })
	m.t.Logf("told after %v", time.Since(began))
	m.until(func() bool { return m.text("GET", "availability:snapshot") != "" })
	require.Contains(m.t, m.text("GET", "availability:snapshot"), `"available":1`)
	ttl := atoi(m.t, m.text("PTTL", "availability:snapshot"))
	require.Greater(m.t, ttl, 0)
	require.LessOrEqual(m.t, ttl, 10_000)
	sari.leave()
	gone := await(phone, func(c protocol.Availability) bool { return c.Available == 0 })
	require.GreaterOrEqual(m.t, gone.At, told.At)
}

// What drifted is as in Postgres a sweep later, and the metric says how much that was.
func mirrorReseed(m *mirror) {
	a := m.instance(brisk()...)
	sari := a.mitra("Sari").connect()
	sari.do(online())
	m.until(func() bool { return m.text("ZSCORE", "mitras:waiting", id(sari)) != "" })
	before := a.program.presence.Stats().Mended
	m.text("SET", "mitra:capacity:"+id(sari), "-3")
	m.text("SADD", "mitras:deactivated", id(sari))
	m.text("SET", "mitra:capacity:nobody", "1")
	m.becomes("0", "GET", "mitra:capacity:"+id(sari))
	m.becomes("0", "SISMEMBER", "mitras:deactivated", id(sari))
	m.becomes("", "GET", "mitra:capacity:nobody")
	m.until(func() bool { return a.program.presence.Stats().Mended >= before+3 })
}

// One instance does not reach Valkey any more: whoever is connected to it is paired with those of the other, both ways.
func mirrorCut(m *mirror) {
	u, err := url.Parse(m.valkeyURL)
	require.NoError(m.t, err)
	way, err := fault.Listen(u.Host)
	require.NoError(m.t, err)
	m.t.Cleanup(way.Close)
	whole, cut := m.instance(), m.instance("VALKEY_URL="+through(m.valkeyURL, way))
	way.Set(fault.Silence)
	m.until(func() bool { return cut.program.presence.Degraded() != "" })
	mitra, _, _ := m.talking(whole, cut)
	mitra.do(protocol.PresenceSet{Mode: protocol.ModeOffline}) // the next one is for another
	m.talking(cut, whole)
	require.NotEmpty(m.t, cut.program.presence.Degraded())
	require.Empty(m.t, whole.program.presence.Degraded())
	way.Heal()
	m.until(func() bool { return cut.program.presence.Degraded() == "" })
	m.becomes("2", "HLEN", "mitras:sockets")
}

func atoi(t *testing.T, text string) (n int) {
	t.Helper()
	_, err := fmt.Sscan(text, &n)
	require.NoError(t, err, text)
	return n
}
