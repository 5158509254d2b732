package gateway

import (
	"runtime"
	"time"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// Config is the gateway's. The zero value of a field means its default.
type Config struct {
	Socket socket.Config

	Workers     int // requests that are carried out at the same time; 128
	Line        int // connections whose request may wait for a worker; beyond it: OVERLOADED; 8192
	QueueLength int // requests a connection may have waiting; 32

	LineLimit    time.Duration // how old a request may be when its turn comes, else OVERLOADED; 3 s
	Heartbeat    time.Duration // what welcome asks the apps for; 15 s
	TokenWarning time.Duration // auth.expiring comes that long before the token's end; 60 s
	TokenGrace   time.Duration // 4100 comes that long after it; 30 s
	Drain        time.Duration // over how long connections are sent away; 8 s
	Pace         time.Duration // least time between two availability frames; 250 ms
	OutboxPoll   time.Duration // while the bus is not live; 500 ms
	EpochRetry   time.Duration // for mitras that could not take an epoch; 1 s
}

const (
	// requestTimeout bounds one request. The stores' own limits are shorter; this one only keeps a mistake from holding a worker.
	requestTimeout = 10 * time.Second
	// overflow is how many times QueueLength a connection may send before it is closed with 4202: until there it gets an
	// answer, OVERLOADED, for each.
	overflow = 4
	// retryAfter is what RATE_LIMITED asks for.
	retryAfter = time.Second
)

func (cfg Config) withDefaults() Config {
	count := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	span := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	// The topic needs the number of loops, welcome the limit and the held events theirs, so these are settled here.
	count(&cfg.Socket.Loops, runtime.GOMAXPROCS(0))
	count(&cfg.Socket.MaxMessageBytes, 16384)
	count(&cfg.Socket.OutboundQueueBytes, 65536)
	if cfg.Socket.Path == "" {
		cfg.Socket.Path = "/ws"
	}
	count(&cfg.Workers, 128)
	count(&cfg.Line, 8192)
	count(&cfg.QueueLength, 32)
	span(&cfg.LineLimit, 3*time.Second)
	span(&cfg.Heartbeat, 15*time.Second)
	span(&cfg.TokenWarning, 60*time.Second)
	span(&cfg.TokenGrace, 30*time.Second)
	span(&cfg.Drain, 8*time.Second)
	span(&cfg.Pace, 250*time.Millisecond)
	span(&cfg.OutboxPoll, 500*time.Millisecond)
	span(&cfg.EpochRetry, time.Second)
	return cfg
}
