package socket

import (
	"fmt"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Config bounds what one server and one connection may take. The zero value of a field means its default.
type Config struct {
	Path               string        // where sockets are asked for; "/ws"
	Loops              int           // event loops; one a processor (GOMAXPROCS)
	MaxMessageBytes    int           // a longer message closes 1009; 16384
	OutboundQueueBytes int           // bytes waiting for a slow reader; more closes 4201; 65536
	FramesPerSecond    int           // data messages a socket, burst twice that; 20
	AcceptsPerSecond   int           // upgrades an instance, burst twice that, then 503; 2000
	MaxConnections     int           // sockets an instance, then 503; 0: what the file limit allows
	HandshakeTimeout   time.Duration // from accept to the end of the request head; 5 s
	IdleTimeout        time.Duration // without a whole frame: 4200; 45 s
	CloseTimeout       time.Duration // for the peer to answer our close frame, then it is cut; 5 s
	MaxAge             time.Duration // less a random tenth: 4203; 0: never
	AllowedOrigins     []string      // exact, case-insensitive; any other Origin is refused with 403, none is allowed
	Backoff            time.Duration // how long a loop that ran out of descriptors accepts nothing; 100 ms

	// Dedicated lets a loop keep its processor while it waits for at most 5 ms: half the CPU a message under load.
	// Only for a program whose GOMAXPROCS exceeds the cores by the number of loops (which is then set above); see epoll.Loop.
	Dedicated bool
}

// maxHead bounds a request head (protocol.md, "Transport").
const maxHead = 8 << 10

// maxFrames bounds FramesPerSecond: a connection's counters are small. It is no limit at all for what a person's app sends.
const maxFrames = 1_000_000

func (cfg Config) withDefaults(processors int) (Config, error) {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	span := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	if cfg.Path == "" {
		cfg.Path = "/ws"
	}
	set(&cfg.Loops, processors)
	set(&cfg.MaxMessageBytes, 16384)
	set(&cfg.OutboundQueueBytes, 65536)
	set(&cfg.FramesPerSecond, 20)
	set(&cfg.AcceptsPerSecond, 2000)
	span(&cfg.HandshakeTimeout, 5*time.Second)
	span(&cfg.IdleTimeout, 45*time.Second)
	span(&cfg.CloseTimeout, 5*time.Second)
	span(&cfg.Backoff, 100*time.Millisecond)
	return cfg, cfg.validate()
}

func (cfg Config) validate() error {
	if !strings.HasPrefix(cfg.Path, "/") || strings.ContainsAny(cfg.Path, " ?#\r\n") {
		return fmt.Errorf("socket: path %q is not an absolute path", cfg.Path)
	}
	if cfg.MaxMessageBytes < ws.MaxControlFramePayloadSize {
		return fmt.Errorf("socket: messages of %d bytes: at least %d", cfg.MaxMessageBytes, ws.MaxControlFramePayloadSize)
	}
	if cfg.FramesPerSecond > maxFrames {
		return fmt.Errorf("socket: %d frames per second: at most %d", cfg.FramesPerSecond, maxFrames)
	}
	for name, n := range map[string]int{
		"loops": cfg.Loops, "outbound queue bytes": cfg.OutboundQueueBytes, "frames per second": cfg.FramesPerSecond,
		"accepts per second": cfg.AcceptsPerSecond, "max connections": cfg.MaxConnections + 1,
		"handshake timeout": int(cfg.HandshakeTimeout), "idle timeout": int(cfg.IdleTimeout),
		"close timeout": int(cfg.CloseTimeout), "max age": int(cfg.MaxAge) + 1, "backoff": int(cfg.Backoff),
	} {
		if n <= 0 {
			return fmt.Errorf("socket: %s must not be negative", name)
		}
	}
	return nil
}
