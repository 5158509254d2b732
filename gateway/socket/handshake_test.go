package socket_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// request is an upgrade request that is well but for what is changed: fields whose name is replaced, or added.
func request(change ...string) string {
	fields := []string{"Host: example.org", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + key, "Sec-WebSocket-Version: 13"}
	for _, c := range change {
		if name, drop := strings.CutPrefix(c, "-"); drop {
			for i := range fields {
				if strings.HasPrefix(fields[i], name+":") {
					fields = append(fields[:i:i], fields[i+1:]...)
					break
				}
			}
			continue
		}
		fields = append(fields, c)
	}
	return "GET /ws HTTP/1.1\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

type head struct {
	name   string
	send   string
	status int // 0: it is HTTP's
}

func heads() []head {
	const bad, ok, http = 400, 101, 0
	replaced := func(from, to string) string { return strings.Replace(request(), from, to, 1) }
	return []head{
		{"OK", request(), ok},
		{"OKQuery", replaced("/ws ", "/ws?x=1&y=%20 "), ok},
		{"OKConnectionList", request("-Connection", "Connection: keep-alive, Upgrade"), ok},
		{"OKConnectionLines", request("-Connection", "Connection: keep-alive", "Connection: upgrade"), ok},
		{"OKUpgradeList", request("-Upgrade", "Upgrade: h2c, WebSocket"), ok},
		{"OKUpgradeLines", request("-Upgrade", "Upgrade: h2c", "Upgrade: websocket"), ok},
		{"OKCase", replaced("Upgrade: websocket", "uPGRADE: WEBSOCKET"), ok},
		{"OKNoSpaceAfterColon", replaced("Host: ", "Host:"), ok},
		{"OKTabsAroundValue", replaced("Host: example.org", "Host:\t example.org \t"), ok},
		{"OKEmptyField", request("X-Empty:"), ok},
		{"OKNoBody", request("Content-Length: 0"), ok},
		{"OKExtensionsIgnored", request("Sec-WebSocket-Extensions: permessage-deflate"), ok},
		{"OKNonASCIIValue", request("X-Name: Zoë"), ok},
		{"OKHostPort", replaced("example.org", "[::1]:3000"), ok},
		{"OKLong", request("X-Long: " + strings.Repeat("a", 8192-len(request("X-Long: ")))), ok},

		{"ErrTooLong", request("X-Long: " + strings.Repeat("a", 8193-len(request("X-Long: ")))), 431},
		{"ErrEndless", "GET /ws HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 2000), 431},
		{"ErrEndlessLine", "GET /ws?" + strings.Repeat("a", 9000), 431},
		{"ErrNoHost", request("-Host"), bad},
		{"ErrTwoHosts", request("Host: example.org"), bad},
		{"ErrTwoHostsCase", request("hOST: other.org"), bad},
		{"ErrEmptyHost", request("-Host", "Host:"), bad},
		{"ErrHostWithSpace", request("-Host", "Host: a b"), bad},
		{"ErrHostList", request("-Host", "Host: a,b"), bad},
		{"ErrHostWithPath", request("-Host", "Host: a/b"), bad},
		{"ErrHTTP10", replaced("HTTP/1.1", "HTTP/1.0"), bad},
		{"ErrHTTP12", replaced("HTTP/1.1", "HTTP/1.2"), bad},
		{"ErrHTTP2", replaced("HTTP/1.1", "HTTP/2.0"), bad},
		{"ErrVersionCase", replaced("HTTP/1.1", "http/1.1"), bad},
		{"ErrNoVersion", replaced(" HTTP/1.1", " "), bad},
		{"ErrTwoSpaces", replaced(" HTTP/1.1", "  HTTP/1.1"), bad},
		{"ErrSpaceBehind", replaced("HTTP/1.1", "HTTP/1.1 "), bad},
		{"ErrTabInLine", replaced(" HTTP/1.1", "\tHTTP/1.1"), http}, // "/ws\t…" is another path
		{"ErrFragment", replaced("/ws ", "/ws?#a "), bad},
		{"ErrTargetNotASCII", replaced("/ws ", "/ws?\xff "), bad},
		{"ErrTargetControl", replaced("/ws ", "/ws?\x01 "), bad},
		{"ErrNULInName", request("X\x00Y: z"), bad},
		{"ErrNULInValue", request("X: a\x00b"), bad},
		{"ErrControlInValue", request("X: a\x01b"), bad},
		{"ErrDELInValue", request("X: a\x7fb"), bad},
		{"ErrBareCRInValue", request("X: a\rb"), bad},
		{"ErrBareCRBeforeCRLF", request("X: a\r"), bad},
		{"ErrBareCRInLine", replaced("/ws HTTP", "/ws?\r HTTP"), bad},
		{"ErrBareLF", replaced("example.org\r\n", "example.org\n"), bad},
		{"ErrBareLFEverywhere", strings.ReplaceAll(request(), "\r\n", "\n"), bad},
		{"ErrBareLFAtEnd", strings.TrimSuffix(request(), "\r\n") + "\n", bad},
		{"ErrSpaceBeforeColon", request("X : y"), bad},
		{"ErrSpaceBeforeColonHost", replaced("Host:", "Host :"), bad},
		{"ErrFold", request("X: a\r\n b"), bad},
		{"ErrFoldTab", request("X: a\r\n\tb: c"), bad},
		{"ErrFoldFirst", replaced("Host:", " Host:"), bad},
		{"ErrNoColon", request("X"), bad},
		{"ErrNoName", request(": x"), bad},
		{"ErrNameNotToken", request("X(y): z"), bad},
		{"ErrNameNotASCII", request("Zoë: z"), bad},
		{"ErrTransferEncoding", request("Transfer-Encoding: chunked"), bad},
		{"ErrTransferEncodingEmpty", request("Transfer-Encoding:"), bad},
		{"ErrTransferEncodingAndLength", request("Content-Length: 5", "Transfer-Encoding: chunked"), bad},
		{"ErrContentLength", request("Content-Length: 5"), bad},
		{"ErrContentLengthTwice", request("Content-Length: 0", "Content-Length: 0"), bad},
		{"ErrContentLengthNegative", request("Content-Length: -0"), bad},
		{"ErrContentLengthEmpty", request("Content-Length:"), bad},
		{"ErrNoConnection", request("-Connection"), bad},
		{"ErrConnectionClose", request("-Connection", "Connection: close"), bad},
		{"ErrConnectionPart", request("-Connection", "Connection: upgraded"), bad},
		{"ErrNoKey", request("-Sec-WebSocket-Key"), bad},
		{"ErrTwoKeys", request("Sec-WebSocket-Key: " + key), bad},
		{"ErrEmptyKey", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key:"), bad},
		{"ErrShortKey", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), bad},
		{"ErrLongKey", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSBsb25n"), bad},
		{"ErrKeyOf17Bytes", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="), bad},
		{"ErrKeyOf18Bytes", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA"), bad},
		{"ErrKeyNotBase64", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), bad},
		{"ErrNoSocketVersion", request("-Sec-WebSocket-Version"), 426},
		{"ErrSocketVersion8", request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		{"ErrSocketVersion013", request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 013"), 426},
		{"ErrSocketVersionList", request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), 426},
		{"ErrSocketVersionTwice", request("Sec-WebSocket-Version: 13"), bad},
		{"ErrSubprotocolNotToken", request("Sec-WebSocket-Protocol: a b"), bad},
		{"ErrTwoOrigins", request("Origin: https://good.example", "Origin: https://good.example"), bad},
		{"ErrForeignOrigin", request("Origin: https://evil.example"), 403},
		{"ErrOriginSuffix", request("Origin: https://good.example.evil"), 403},
		{"ErrOriginPrefix", request("Origin: https://good.exampl"), 403},
		{"ErrOriginScheme", request("Origin: http://good.example"), 403},
		{"ErrOriginNull", request("Origin: null"), 403},
		{"OKOrigin", request("Origin: https://good.example"), ok},

		{"HTTPNoUpgrade", request("-Upgrade"), http},
		{"HTTPOtherUpgrade", request("-Upgrade", "Upgrade: h2c"), http},
		{"HTTP10NoUpgrade", "GET /ws HTTP/1.0\r\nHost: a\r\n\r\n", http},
		{"HTTPOtherPath", replaced("/ws", "/wss"), http},
		{"HTTPPathBelow", replaced("/ws", "/ws/x"), http},
		{"HTTPPathCase", replaced("/ws", "/WS"), http},
		{"HTTPPathEncoded", replaced("/ws", "/%77s"), http},
		{"HTTPAbsoluteForm", replaced("/ws", "http://example.org/ws"), http},
		{"HTTPMethod", replaced("GET", "POST"), http},
		{"HTTPMethodCase", replaced("GET", "get"), http},
		{"HTTPLongMethod", replaced("GET", "GETS"), http},
		{"HTTPLongHead", "POST / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 2000) + "\r\n", http},
		{"HTTPNoHTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", http},
		{"HTTPGarbage", "hello?\r\n\r\n", http},
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	cfg := generous()
	cfg.AllowedOrigins = []string{"https://good.example"}
	s := serve(t, cfg, newGateway())
	web(t, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Run("group", func(t *testing.T) {
		for _, h := range heads() {
			for how, step := range map[string]int{"whole": len(h.send) + 1, "bytewise": 1} {
				if len(h.send) > 1000 {
					step *= 101
				}
				t.Run(h.name+"/"+how, func(t *testing.T) {
					t.Parallel()
					greet(t, s, h, step)
				})
			}
		}
	})
}

func greet(t *testing.T, s *socket.Server, h head, step int) {
	c := dial(t, s)
	go func() {
		for send := h.send; len(send) > 0; {
			n := min(step, len(send))
			if _, err := c.Write([]byte(send[:n])); err != nil {
				return
			}
			send = send[n:]
		}
	}()
	response := c.response()
	switch h.status {
	case 0:
		// net/http says what it thinks of it: the teapot, or that it is none.
		require.Contains(t, []int{http.StatusTeapot, 400, 405, 431, 505}, response.StatusCode)
		require.NotEqual(t, "application/json", response.Header.Get("Content-Type"))
		return
	case http.StatusSwitchingProtocols:
		require.Equal(t, h.status, response.StatusCode)
		c.send(closeFrame(1000, ""))
		require.Equal(t, 1000, c.closes())
		return
	}
	require.Equal(t, h.status, response.StatusCode)
	require.NotEmpty(t, refusalCode(t, response))
	if h.status == http.StatusUpgradeRequired {
		require.Equal(t, "13", response.Header.Get("Sec-WebSocket-Version"))
		require.Equal(t, "websocket", response.Header.Get("Upgrade"))
	}
	require.True(t, response.Close)
	c.ends()
}

// refusalCode reads the body of a refusal.
func refusalCode(t *testing.T, response *http.Response) string {
	t.Helper()
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var refusal struct {
		Error struct{ Code, Message string }
	}
	require.NoError(t, json.Unmarshal(body, &refusal))
	require.NotEmpty(t, refusal.Error.Message)
	return refusal.Error.Code
}

func TestVerdict(t *testing.T) {
	t.Parallel()

	t.Run("Refuse", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		g.upgrade = func(*socket.Request) socket.Verdict {
			return socket.Verdict{Refuse: 400, RefuseCode: "SUBPROTOCOL_REQUIRED", Reason: `this is "x"`}
		}
		s := serve(t, generous(), g)
		c := dial(t, s)
		c.send([]byte(upgradeHead))
		response := c.response()
		require.Equal(t, 400, response.StatusCode)
		require.Empty(t, response.Header.Get("Retry-After"))
		require.Equal(t, "SUBPROTOCOL_REQUIRED", refusalCode(t, response))
		c.ends()
		require.EqualValues(t, 1, s.Stats().Refused)
	})

	t.Run("RefuseForNow", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		g.upgrade = func(*socket.Request) socket.Verdict {
			return socket.Verdict{Refuse: 503, RefuseCode: "OVERLOADED", Reason: "later", RetryAfter: 4 * time.Second}
		}
		s := serve(t, generous(), g)
		requireShed(t, s, 4)
	})

	t.Run("Reject", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		g.upgrade = func(*socket.Request) socket.Verdict {
			return socket.Verdict{Subprotocol: "p", Reject: &socket.Reject{Frame: []byte("why"), Code: 4101, Reason: "sign in"}}
		}
		s := serve(t, generous(), g)
		c := dial(t, s)
		c.send([]byte(upgradeHead + string(binaryFrame([]byte("not looked at")))))
		require.Equal(t, "p", c.switched().Header.Get("Sec-WebSocket-Protocol"))
		f := c.frame()
		require.Equal(t, "why", string(f.Payload))
		require.Equal(t, 4101, c.closes())
		require.Empty(t, g.opened)
		require.Empty(t, g.closed)
		require.EqualValues(t, 1, s.Stats().Rejected)
		require.EqualValues(t, 1, s.Stats().Closed[4101])
	})

	t.Run("Panic", func(t *testing.T) {
		t.Parallel()
		g := newGateway()
		g.upgrade = func(*socket.Request) socket.Verdict { panic("broken") }
		s := serve(t, generous(), g)
		c := dial(t, s)
		c.send([]byte(upgradeHead))
		require.Equal(t, http.StatusInternalServerError, c.response().StatusCode)
		require.EqualValues(t, 1, s.Stats().Panics)
	})
}

// requireShed requires that an upgrade is answered 503 with a Retry-After of so many seconds or up to half as many more, and one.
func requireShed(t *testing.T, s *socket.Server, seconds int) {
	t.Helper()
	c := dial(t, s)
	c.send([]byte(upgradeHead))
	response := c.response()
	require.Equal(t, 503, response.StatusCode)
	require.Equal(t, "OVERLOADED", refusalCode(t, response))
	retry, err := strconv.Atoi(response.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, retry, seconds)
	require.LessOrEqual(t, retry, seconds+seconds/2+2)
	c.ends()
}

func TestShedding(t *testing.T) {
	t.Parallel()

	t.Run("MaxConnections", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.MaxConnections = 3
		g := newGateway()
		s := serve(t, cfg, g)
		up := []*client{connect(t, s), connect(t, s), connect(t, s)}
		requireShed(t, s, 10)
		up[1].send([]byte(binaryFrame([]byte("still here"))))
		require.Equal(t, "still here", string(up[1].frame().Payload))
		up[0].send(closeFrame(1000, ""))
		require.Equal(t, 1000, up[0].closes())
		up[0].Close()
		require.Eventually(t, func() bool { return s.Stats().Connections == 2 }, patience, time.Millisecond)
		connect(t, s)
		require.EqualValues(t, 1, s.Stats().Shed)
	})

	t.Run("Storm", func(t *testing.T) {
		t.Parallel()
		cfg := generous()
		cfg.AcceptsPerSecond = 1
		s := serve(t, cfg, newGateway())
		connect(t, s)
		connect(t, s) // the burst is two
		requireShed(t, s, 2)
	})

	t.Run("Draining", func(t *testing.T) {
		t.Parallel()
		s := serve(t, generous(), newGateway())
		up := connect(t, s)
		s.Refuse(8 * time.Second)
		requireShed(t, s, 8)
		up.send(binaryFrame([]byte("x")))
		require.Equal(t, "x", string(up.frame().Payload))
	})
}

func TestHeadTimeout(t *testing.T) {
	t.Parallel()
	cfg := generous()
	cfg.HandshakeTimeout = 150 * time.Millisecond
	g := newGateway()
	s := serve(t, cfg, g)
	web(t, s, http.NotFoundHandler())
	up := connect(t, s)

	slow := make([]*client, 150)
	for i := range slow {
		slow[i] = dial(t, s)
		slow[i].send([]byte(upgradeHead[:i]))
	}
	for i, c := range slow {
		if i > len("GET /ws") {
			response := c.response()
			require.Equal(t, http.StatusRequestTimeout, response.StatusCode)
			refusalCode(t, response)
		}
		c.ends()
	}
	up.send(binaryFrame([]byte("x")))
	require.Equal(t, "x", string(up.frame().Payload))
	require.EqualValues(t, len(slow), s.Stats().HeadTimeouts)
	require.Contains(t, fmt.Sprint(s.Addr()), "127.0.0.1")
}
