package flood_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/bench/flood"
	"github.com/halobestie/bestie-gateway/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand speaks as much of the gateway as the flood needs: it lets everybody in, and acknowledges heartbeats.
func stand(t *testing.T) flood.Target {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ws":
			conn, _, _, err := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == protocol.Subprotocol }}.Upgrade(r, w)
			if err == nil {
				acknowledge(conn)
			}
		case "/internal/auth/login":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			fmt.Fprint(w, `{"access_token":"a","refresh_token":"r","user":{"id":"01980000-0000-7000-8000-000000000001"}}`)
		}
	}))
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	return flood.Target{Public: address, Internal: address}
}

func acknowledge(conn net.Conn) {
	defer conn.Close()
	for {
		message, err := wsutil.ReadClientBinary(conn)
		if err != nil {
			return
		}
		frame, err := protocol.Parse(message)
		if err != nil || wsutil.WriteServerBinary(conn, protocol.Ack{}.Append(nil, frame.ID)) != nil {
			return
		}
	}
}

func TestRun_CountsEveryKind(t *testing.T) {
	t.Parallel()
	target := stand(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	counts, err := flood.Run(ctx, target, flood.Mix{LogIns: 1, SignIns: 1, Refreshes: 1, Handshakes: 1})
	require.NoError(t, err)
	for _, n := range []uint64{counts.LogIns, counts.SignIns, counts.Refreshes, counts.Handshakes} {
		require.Positive(t, n)
	}
	require.Zero(t, counts.Refused, "%v", counts.Why)
}

func TestMeter(t *testing.T) {
	t.Parallel()
	meter, err := flood.NewMeter(t.Context(), stand(t), 3)
	require.NoError(t, err)
	defer meter.Close()
	late, err := meter.Measure(t.Context(), 100, 200*time.Millisecond)
	require.NoError(t, err)
	require.EqualValues(t, 20, late.Count(), "each beat counts once, answered or not")
	require.Positive(t, late.Max())
}
