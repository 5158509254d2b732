package pushlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/core/push/pushlog"
)

func TestSend_OneLineWithoutTheToken(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := push.Push{
		Kind: push.Offer, OfferID: core.NewID[core.OfferID](), Token: "the-token", Platform: push.IOS,
		ExpiresAt: time.UnixMilli(1767582030000), Left: 13 * time.Second,
	}
	require.NoError(t, pushlog.New(slog.New(slog.NewTextHandler(&out, nil))).Send(t.Context(), p.Message()))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), `msg=push platform=ios title="Ada yang mau curhat" ttl=13s expires_at=1767582030000 offer_id=`+p.OfferID.String()+" type=offer")
	require.NotContains(t, out.String(), "the-token")
}
