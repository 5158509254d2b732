package push

import (
	"context"
	"strings"
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

// Service is the push room. It may be used concurrently.
type Service struct{ devices Devices }

// NewService makes the room.
func NewService(devices Devices) *Service { return &Service{devices: devices} }

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
