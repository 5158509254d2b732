package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway"
	"github.com/halobestie/bestie-gateway/protocol"
)

func TestAdmission(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	good := r.tokens.issue(principal(core.Customer))

	t.Run("OK Authorization, in any case", func(t *testing.T) {
		p, err := r.upgrade("/ws", http.Header{"Authorization": {"bEARER " + good}}, protocol.Subprotocol)
		require.NoError(t, err)
		require.Equal(t, protocol.RoleCustomer, p.welcome().UserType)
	})
	t.Run("OK a second subprotocol, for browsers", func(t *testing.T) {
		p, err := r.upgrade("/ws", nil, protocol.Subprotocol, "bearer."+good)
		require.NoError(t, err)
		p.welcome()
	})
	t.Run("ErrSubprotocolRequired", func(t *testing.T) {
		request, err := http.NewRequest(http.MethodGet, "http://"+r.Addr().String()+"/ws", nil)
		require.NoError(t, err)
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Authorization": "Bearer " + good,
		} {
			request.Header.Set(name, value)
		}
		status, body := r.do(t, request)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, body, "SUBPROTOCOL_REQUIRED")
		require.Contains(t, body, protocol.Subprotocol)
	})

	for _, test := range []struct {
		name  string
		path  string
		token string
		code  protocol.ErrorCode
		close protocol.CloseCode
	}{
		{"ErrUnauthenticated no token", "/ws", "", protocol.CodeUnauthenticated, protocol.CloseUnauthenticated},
		{"ErrUnauthenticated in the query string", "/ws?access_token=" + good + "&token=" + good, "", protocol.CodeUnauthenticated, protocol.CloseUnauthenticated},
		{"ErrUnauthenticated not ours", "/ws", "x", protocol.CodeUnauthenticated, protocol.CloseUnauthenticated},
		{
			"ErrTokenExpired", "/ws", r.tokens.refuse(core.Errorf(core.TokenExpired, "it is over")),
			protocol.CodeTokenExpired, protocol.CloseTokenExpired,
		},
		{
			"ErrSessionRevoked", "/ws", r.tokens.refuse(core.Errorf(core.SessionRevoked, "logged out")),
			protocol.CodeSessionRevoked, protocol.CloseRevoked,
		},
		{
			"ErrAccountInactive", "/ws", r.tokens.refuse(core.Errorf(core.AccountInactive, "gone")),
			protocol.CodeAccountInactive, protocol.CloseInactive,
		},
		{"ErrForbidden an operator", "/ws", r.tokens.issue(principal(core.Operator)), protocol.CodeForbidden, protocol.CloseUnauthenticated},
		{"ErrInternal", "/ws", r.tokens.refuse(io.ErrUnexpectedEOF), protocol.CodeInternal, protocol.CloseInternal},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{}
			if test.token != "" {
				header.Set("Authorization", "Bearer "+test.token)
			}
			p, err := r.upgrade(test.path, header, protocol.Subprotocol)
			require.NoError(t, err, "the upgrade completes")
			require.NotEmpty(t, p.fails(0, test.code).Message)
			require.Equal(t, test.close, p.ends())
		})
	}
	t.Run("ErrUnauthenticated another scheme", func(t *testing.T) {
		p, err := r.upgrade("/ws", http.Header{"Authorization": {"Basic " + good}}, protocol.Subprotocol, "bearer."+good)
		require.NoError(t, err)
		p.fails(0, protocol.CodeUnauthenticated)
		require.Equal(t, protocol.CloseUnauthenticated, p.ends())
	})
	t.Run("ErrUnauthenticated two of a kind", func(t *testing.T) {
		for _, upgrade := range []func() (*peer, error){
			func() (*peer, error) {
				return r.upgrade("/ws", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}, protocol.Subprotocol)
			},
			func() (*peer, error) {
				return r.upgrade("/ws", nil, protocol.Subprotocol, "bearer."+good, "bearer."+good)
			},
		} {
			p, err := upgrade()
			require.NoError(t, err)
			p.fails(0, protocol.CodeUnauthenticated)
			require.Equal(t, protocol.CloseUnauthenticated, p.ends())
		}
	})
}

func (r *rig) do(t *testing.T, request *http.Request) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(raw)
}

func TestHandOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Config{}, nil)
	get := func(t *testing.T, path string) (int, string) {
		request, err := http.NewRequest(http.MethodGet, "http://"+r.Addr().String()+path, nil)
		require.NoError(t, err)
		return r.do(t, request)
	}
	t.Run("OK what is no socket goes to net/http", func(t *testing.T) {
		status, body := get(t, "/api/client/packages")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "rest", body)
	})
	t.Run("ErrUpgradeRequired", func(t *testing.T) {
		status, body := get(t, "/ws")
		require.Equal(t, http.StatusUpgradeRequired, status)
		require.Contains(t, body, "UPGRADE_REQUIRED")
	})
	t.Run("OK an upgrade behind REST on one connection", func(t *testing.T) {
		conn, err := net.Dial("tcp", r.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		in := bufio.NewReader(conn)
		_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, "rest", string(body))

		_, err = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
			"Sec-WebSocket-Protocol: "+protocol.Subprotocol+"\r\nAuthorization: Bearer "+r.tokens.issue(principal(core.Customer))+"\r\n\r\n")
		require.NoError(t, err)
		response, err = http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
		p := &peer{t: t, conn: conn, in: in}
		p.welcome()
		p.beats(5)
		p.hangUp(ws.StatusNormalClosure)
	})
}
