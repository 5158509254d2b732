package push

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/halobestie/bestie-gateway/core"
)

// Platform is the kind of system an app runs on.
type Platform string

// The three platforms.
const (
	Android Platform = "android"
	IOS     Platform = "ios"
	Web     Platform = "web"
)

// Valid tells whether p is one of the three.
func (p Platform) Valid() bool { return p == Android || p == IOS || p == Web }

// MaxToken bounds a push token, in bytes. FCM's are about 160 long, without a promise.
const MaxToken = 4096

// MaxDevices bounds how many devices a push of one user goes to: the ones registered last.
const MaxDevices = 10

// Service is the push room. Register and Stats may be called concurrently; Run sends what is queued.
type Service struct {
	devices Devices
	queue   Queue
	sender  Sender
	log     *slog.Logger

	counters struct{ offers, sent, again, dead, refused atomic.Uint64 }
}

// NewService makes the room.
func NewService(devices Devices, queue Queue, sender Sender, log *slog.Logger) *Service {
	return &Service{devices: devices, queue: queue, sender: sender, log: log}
}

// Register notes that a user can be reached at a device. Repeating it does nothing. BAD_MESSAGE naming push_token or
// platform, UNAVAILABLE.
func (s *Service) Register(ctx context.Context, who core.Principal, token string, platform Platform) error {
	switch {
	case token == "" || len(token) > MaxToken || !utf8.ValidString(token) || strings.ContainsRune(token, 0):
		return core.FieldError("push_token", "must be 1 to %d bytes of text", MaxToken)
	case !platform.Valid():
		return core.FieldError("platform", "must be %s, %s or %s", Android, IOS, Web)
	}
	return s.devices.SaveDevice(ctx, Device{
		UserType: who.Type, UserID: who.ID, Session: who.Session, Token: token, Platform: platform,
	})
}

// Stats are counters since the start.
type Stats struct {
	OffersTaken uint64 // offers that had no receipt in time
	Sent        uint64 // pushes that the vendor took
	Deferred    uint64 // attempts that failed and are made again
	DeadTokens  uint64
	Refused     uint64 // pushes given up because of a fault of ours
}

// Stats reads the counters.
func (s *Service) Stats() Stats {
	c := &s.counters
	return Stats{
		OffersTaken: c.offers.Load(), Sent: c.sent.Load(), Deferred: c.again.Load(), DeadTokens: c.dead.Load(), Refused: c.refused.Load(),
	}
}
