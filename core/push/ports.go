package push

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
)

// Devices keeps who can be reached where.
type Devices interface {
	// SaveDevice makes the device the user's; a token that belonged to somebody else moves. UNAVAILABLE.
	SaveDevice(ctx context.Context, d Device) error
}

// Device is one installation of an app.
type Device struct {
	UserType core.UserType
	UserID   core.UserID
	Session  core.AuthSessionID // the sign-in that registered it: its end is the device's end
	Token    string             // opaque, the vendor's
	Platform Platform
}
