package dispatch

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/pairing"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/core/push"
)

// Caller is the connection that a request came from. Refresh, Subscribe and Unsubscribe are only called for requests for which InLoop
// is true.
type Caller interface {
	Principal() core.Principal
	// Claim is the epoch of the mitra's connection, taken now if it could not be taken when the socket opened. UNAVAILABLE.
	Claim(ctx context.Context) (epoch int64, err error)
	// Refresh replaces the access token and tells until when the new one is good. UNAUTHENTICATED, TOKEN_EXPIRED,
	// SESSION_REVOKED, FORBIDDEN when it is not of the same user and auth session.
	Refresh(token string) (expires time.Time, err error)
	// Subscribe starts the stream of available counts and tells the present one.
	Subscribe() presence.Availability
	Unsubscribe()
}

// Rooms are what requests are carried out by.
type Rooms struct {
	Presence Presence
	Pairing  Pairing
	Chat     Chat
	Devices  Devices
	Beacon   Beacon
}

// Presence switches a mitra's mode (core/presence).
type Presence interface {
	SetMode(ctx context.Context, mitra core.MitraID, mode presence.Mode, epoch int64) (presence.Mitra, error)
	// Mitra reads one mitra from the truth. NOT_FOUND, UNAVAILABLE.
	Mitra(ctx context.Context, mitra core.MitraID) (presence.Mitra, error)
}

// Pairing finds mitras for customers (core/pairing).
type Pairing interface {
	Request(ctx context.Context, r pairing.Request) (chat.Session, error)
	Cancel(ctx context.Context, id core.SessionID, by core.CustomerID) (chat.Session, error)
	Received(ctx context.Context, id core.OfferID, mitra core.MitraID) error
	Accept(ctx context.Context, id core.OfferID, mitra core.MitraID, epoch int64) (chat.Session, error)
	Decline(ctx context.Context, id core.OfferID, mitra core.MitraID, reason string) error
	Open(ctx context.Context, mitra core.MitraID) ([]pairing.Offer, error)
}

// Chat is the sessions (core/chat).
type Chat interface {
	Live(ctx context.Context, who core.Principal) ([]chat.Session, error)
	End(ctx context.Context, id core.SessionID, by core.Principal, note string) (chat.Session, error)
	Reroute(ctx context.Context, id core.SessionID, by core.Principal, note string) (chat.Session, error)
	Extend(ctx context.Context, e chat.Extension) (chat.Session, error)
}

// Devices reach an app whose socket is down (core/push).
type Devices interface {
	Register(ctx context.Context, who core.Principal, token string, platform push.Platform) error
}

// Beacon knows the number of available mitras without asking anybody.
type Beacon interface {
	Available() presence.Availability
}
