package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/presence"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
)

// Auth tells who holds a token (core/auth). No method does I/O: all run in event loops.
type Auth interface {
	// Verify: UNAUTHENTICATED, TOKEN_EXPIRED, SESSION_REVOKED. The token's bytes are good until it returns: nothing of it may be kept.
	Verify(token string) (core.Principal, error)
	// Denied tells whether an auth session is over.
	Denied(session core.AuthSessionID) bool
	Deny(auth.Revoked)
}

// Presence is told of mitras' sockets (core/presence).
type Presence interface {
	dispatch.Presence
	// Connect gives a mitra's new socket its epoch. NOT_FOUND, UNAVAILABLE.
	Connect(ctx context.Context, mitra core.MitraID) (presence.Mitra, error)
	// Alive notes a sign of life, Dropped the end of the socket of that epoch. Neither blocks.
	Alive(mitra core.MitraID)
	Dropped(mitra core.MitraID, epoch int64, how presence.Drop)
	// Available counts the available mitras.
	Available(ctx context.Context) (presence.Availability, error)
}

// Outbox holds the committed events of the last minute (store/postgres).
type Outbox interface {
	// Since reads the events of the last age, by the store's clock, oldest first.
	Since(ctx context.Context, age time.Duration) ([]core.Event, error)
}

// Bus tells whether the subscription that feeds Server.Event is up (store/valkey). It does not block.
type Bus interface {
	Live() bool
}

// Rooms are what stands behind the sockets, and HTTP what answers the other requests of the public port.
type Rooms struct {
	Presence Presence
	Pairing  dispatch.Pairing
	Chat     dispatch.Chat
	Devices  dispatch.Devices
	Outbox   Outbox
	Bus      Bus
	HTTP     http.Handler
}
