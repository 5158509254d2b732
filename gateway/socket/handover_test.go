package socket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// web serves HTTP behind the sockets until the test ends.
func web(t testing.TB, s *socket.Server, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	done := make(chan error, 1)
	go func() { done <- server.Serve(s.HTTP()) }()
	t.Cleanup(func() {
		server.Close()
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

func echoBody(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	w.Write([]byte(r.Method + " " + r.URL.Path + " " + string(body)))
}

func TestHandOver(t *testing.T) {
	t.Parallel()

	t.Run("KeepAliveAndBodies", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		web(t, s, http.HandlerFunc(echoBody))
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		web := &http.Client{Transport: transport, Timeout: patience}
		long := strings.Repeat("b", 200_000)
		for range 3 {
			response, err := web.Post("http://"+s.Addr().String()+"/api", "text/plain", strings.NewReader(long))
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			response.Body.Close()
			require.Equal(t, "POST /api "+long, string(body))
		}
		require.EqualValues(t, 1, s.Stats().Accepted) // one connection, kept alive
		require.EqualValues(t, 1, s.Stats().HandedOver)
	})

	t.Run("BytesBehindTheHead", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		web(t, s, http.HandlerFunc(echoBody))
		c := dial(t, s)
		// Two requests in one packet, the first with a body, half of which comes later.
		c.send([]byte("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo"))
		c.send([]byte("dyGET /ws HTTP/1.1\r\nHost: x\r\n\r\n"))
		for _, want := range []string{"POST /a body", "GET /ws "} {
			response := c.response()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, want, string(body))
		}
	})

	t.Run("RemoteAddress", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		web(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }))
		c := dial(t, s)
		c.send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		body, err := io.ReadAll(c.response().Body)
		require.NoError(t, err)
		require.Equal(t, c.LocalAddr().String(), string(body))
	})

	t.Run("NobodyServesHTTP", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		require.NoError(t, s.HTTP().Close())
		require.NoError(t, s.HTTP().Close())
		c := dial(t, s)
		c.send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		c.ends()
		connect(t, s)
		require.Equal(t, s.Addr(), s.HTTP().Addr())
	})

	t.Run("WaitingAtTheEndOfRun", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		c := dial(t, s)
		c.send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.Eventually(t, func() bool { return s.Stats().HandedOver == 1 }, patience, time.Millisecond)
	}) // serve's end and the leak check see that it is closed
}

// adopting is an HTTP handler that gives upgrades back to the loops.
func adopting(s *socket.Server, failed chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws" {
			echoBody(w, r)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		buffered, err := io.ReadAll(io.LimitReader(rw, int64(rw.Reader.Buffered())))
		if err != nil {
			panic(err)
		}
		if err := s.Adopt(conn, r, buffered); err != nil {
			failed <- err
		}
	})
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 100)

	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		s := serve(t, generous(), g)
		web(t, s, adopting(s, failed))
		c := dial(t, s)
		// A REST request first, then on the same connection the upgrade with a frame behind it, long enough that net/http has not
		// read it all.
		long := strings.Repeat("l", 10_000)
		c.send([]byte("GET /api HTTP/1.1\r\nHost: x\r\n\r\n" + upgradeHead + string(binaryFrame([]byte(long)))))
		body, err := io.ReadAll(c.response().Body)
		require.NoError(t, err)
		require.Equal(t, "GET /api ", string(body))
		c.switched()
		c.expect(ws.OpBinary, []byte(long))
		within(t, g.opened)
		c.send(closeFrame(1001, ""))
		require.Equal(t, 1001, c.closes())
		require.True(t, within(t, g.closed).Clean)
	})

	for name, h := range map[string]struct {
		send   string
		status int
	}{
		"ErrVersion":  {request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		"ErrKey":      {request("-Sec-WebSocket-Key"), 400},
		"ErrNoSocket": {request("-Upgrade"), 426},
		"ErrMethod":   {strings.Replace(request("Content-Length: 0"), "GET", "POST", 1), 400},
		"ErrBody":     {request("Transfer-Encoding: chunked") + "0\r\n\r\n", 400},
		"ErrHTTP10":   {"GET /ws HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, generous(), newGateway())
			web(t, s, adopting(s, failed))
			c := dial(t, s)
			c.send([]byte("GET /api HTTP/1.1\r\nHost: x\r\n\r\n" + h.send))
			io.ReadAll(c.response().Body)
			response := c.response()
			require.Equal(t, h.status, response.StatusCode)
			refusalCode(t, response)
		})
	}

	t.Run("ErrNoTCP", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		ours, theirs := net.Pipe()
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgradeHead)))
		require.NoError(t, err)
		require.Error(t, s.Adopt(ours, r, nil))
		_, err = theirs.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})

	t.Run("ErrEnded", func(t *testing.T) {
		t.Parallel()
		s, err := socket.Listen(generous(), "127.0.0.1:0", newGateway(), nil)
		require.NoError(t, err)
		ours, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, s.Run(ended))
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgradeHead)))
		require.NoError(t, err)
		require.ErrorIs(t, s.Adopt(ours, r, nil), net.ErrClosed)
		_, err = ours.Write(nil)
		require.True(t, errors.Is(err, net.ErrClosed))
	})
}
