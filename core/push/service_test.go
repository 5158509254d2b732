package push_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
)

type devices struct{ saved []push.Device }

func (d *devices) SaveDevice(_ context.Context, device push.Device) error {
	d.saved = append(d.saved, device)
	return nil
}

func TestRegister(t *testing.T) {
	t.Parallel()
	who := core.Principal{Type: core.Mitra, ID: core.NewID[core.UserID](), Session: core.NewID[core.AuthSessionID]()}
	for name, c := range map[string]struct {
		token    string
		platform push.Platform
		field    string
	}{
		"OK":                 {"fcm:abc", push.Android, ""},
		"longest":            {strings.Repeat("x", push.MaxToken), push.Web, ""},
		"ErrNoToken":         {"", push.IOS, "push_token"},
		"ErrTokenTooLong":    {strings.Repeat("x", push.MaxToken+1), push.IOS, "push_token"},
		"ErrTokenNotText":    {"\xff", push.IOS, "push_token"},
		"ErrTokenWithNUL":    {"a\x00b", push.IOS, "push_token"},
		"ErrUnknownPlatform": {"fcm:abc", "symbian", "platform"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &devices{}
			err := push.NewService(store, nil, nil, nil).Register(t.Context(), who, c.token, c.platform)
			if c.field == "" {
				require.NoError(t, err)
				require.Equal(t, []push.Device{{
					UserType: who.Type, UserID: who.ID, Session: who.Session, Token: c.token, Platform: c.platform,
				}}, store.saved)
				return
			}
			var coded *core.Error
			require.ErrorAs(t, err, &coded)
			require.Equal(t, core.BadMessage, coded.Code)
			require.Equal(t, c.field, coded.Field)
			require.Empty(t, store.saved)
		})
	}
}
