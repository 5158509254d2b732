package presence

import "time"

// Config holds the durations of presence. Zero fields take the defaults of Defaults.
type Config struct {
	Stale          time.Duration // MITRA_HEARTBEAT_STALE_SECONDS: a heartbeat older than this is none
	Flush          time.Duration // HEARTBEAT_FLUSH_MS: how long heartbeats are gathered at most
	Grace          time.Duration // PRESENCE_GRACE_SECONDS: how long a dropped socket's mitra still counts
	OfflineSweep   time.Duration // MITRA_AUTO_OFFLINE_SWEEP_SECONDS
	HeartbeatSweep time.Duration // HEARTBEAT_MIRROR_INTERVAL_SECONDS
	MirrorSweep    time.Duration // VALKEY_ONLINE_MIRROR_SWEEP_SECONDS
}

// Defaults are the durations that the design names.
func Defaults() Config {
	return Config{
		Stale:          45 * time.Second,
		Flush:          250 * time.Millisecond,
		Grace:          20 * time.Second,
		OfflineSweep:   30 * time.Second,
		HeartbeatSweep: 60 * time.Second,
		MirrorSweep:    300 * time.Second,
	}
}

func (c Config) withDefaults() Config {
	d := Defaults()
	for _, field := range []struct {
		value   *time.Duration
		instead time.Duration
	}{
		{&c.Stale, d.Stale},
		{&c.Flush, d.Flush},
		{&c.Grace, d.Grace},
		{&c.OfflineSweep, d.OfflineSweep},
		{&c.HeartbeatSweep, d.HeartbeatSweep},
		{&c.MirrorSweep, d.MirrorSweep},
	} {
		if *field.value <= 0 {
			*field.value = field.instead
		}
	}
	if c.Grace > c.Stale {
		c.Grace = c.Stale
	}
	return c
}

// saveEvery is how often heartbeats go to Postgres while Valkey cannot be reached from here: 15 s by default. Two of them and the
// apps' own pace must fit into Stale, or the others take our mitras offline.
func (c Config) saveEvery() time.Duration { return c.Stale / 3 }

// quiet is how long a mitra may be silent in the mirror until Postgres is asked, so early that none who lives grows stale between two
// sweeps, and not so early that everybody is quiet between two beats.
func (c Config) quiet() time.Duration { return max(c.Stale-c.OfflineSweep, c.saveEvery()) }

// fallbackFresh is how old last_heartbeat_at may be in Postgres, where it lags by a mirror interval.
func (c Config) fallbackFresh() time.Duration { return c.Stale + c.HeartbeatSweep }
