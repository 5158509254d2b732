package gateway

import (
	"bytes"
	"net/http"
	"time"
	"unsafe"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/gateway/dispatch"
	"github.com/halobestie/bestie-gateway/gateway/socket"
	"github.com/halobestie/bestie-gateway/protocol"
)

// Upgrade decides from the access token alone who may come in (socket.Handler).
func (s *Server) Upgrade(r *socket.Request) socket.Verdict {
	token, spoken := credentials(r)
	if !spoken {
		return socket.Verdict{
			Refuse:     http.StatusBadRequest,
			RefuseCode: "SUBPROTOCOL_REQUIRED",
			Reason:     "the subprotocol spoken here is " + protocol.Subprotocol,
		}
	}
	who, err := s.admit(token)
	if err != nil {
		return s.reject(err)
	}
	c := &client{server: s, user: who.ID, session: who.Session}
	if who.Type == core.Mitra {
		c.role = mitra
	}
	c.expires.Store(who.ExpiresAt.UnixMilli())
	return socket.Verdict{Subprotocol: protocol.Subprotocol, State: c, Greets: true}
}

func (s *Server) admit(token []byte) (core.Principal, error) {
	if len(token) == 0 {
		return core.Principal{}, core.Errorf(core.Unauthenticated, "there is no access token")
	}
	// Not copied: Verify keeps nothing of a token, which lies in the loop's buffer until then. A copy is an eighth of all that a handshake
	// allocates.
	who, err := s.auth.Verify(unsafe.String(unsafe.SliceData(token), len(token)))
	if err == nil && who.Type != core.Customer && who.Type != core.Mitra {
		return core.Principal{}, core.Errorf(core.Forbidden, "sockets are for customers and mitras")
	}
	return who, err
}

// credentials reads the access token from the Authorization field, or for browsers from a second subprotocol, and tells whether
// the client speaks our subprotocol. Two of a kind are none: a proxy before us could believe the other one. The query string is never
// looked at: URLs are logged.
func credentials(r *socket.Request) (token []byte, spoken bool) {
	const offered = "bearer."
	tokens := 0
	for name := range r.Subprotocols() {
		switch {
		case string(name) == protocol.Subprotocol:
			spoken = true
		case bytes.HasPrefix(name, []byte(offered)):
			token = name[len(offered):]
			tokens++
		}
	}
	fields := 0
	for field := range r.Values("Authorization") {
		fields++
		scheme, rest, _ := bytes.Cut(field, []byte(" "))
		if token = bytes.TrimSpace(rest); !bytes.EqualFold(scheme, []byte("bearer")) {
			token = nil
		}
	}
	if fields > 1 || fields == 0 && tokens > 1 {
		return nil, spoken
	}
	return token, spoken
}

// reject completes the upgrade with a frame that says why and a close code that says what to do: the HTTP status of a failed
// upgrade is hidden from apps.
func (s *Server) reject(err error) socket.Verdict {
	failure, known := dispatch.Failure(err)
	code := protocol.CloseUnauthenticated
	switch {
	case !known:
		s.log.Error("token not verified", "error", err)
		code = protocol.CloseInternal
	case failure.Code == protocol.CodeTokenExpired:
		code = protocol.CloseTokenExpired
	case failure.Code == protocol.CodeSessionRevoked:
		code = protocol.CloseRevoked
	case failure.Code == protocol.CodeAccountInactive:
		code = protocol.CloseInactive
	}
	spec, _ := code.Spec()
	return socket.Verdict{
		Subprotocol: protocol.Subprotocol,
		Reject:      &socket.Reject{Frame: failure.Append(nil, 0), Code: uint16(code), Reason: spec.Name},
	}
}

// watchToken sets the connection's deadline to the next thing that its token will want. Loop only.
func (s *Server) watchToken(c *client) {
	expires := time.UnixMilli(c.expires.Load())
	if c.warned {
		c.conn.SetDeadline(expires.Add(s.cfg.TokenGrace))
	} else {
		c.conn.SetDeadline(expires.Add(-s.cfg.TokenWarning))
	}
}

// tokenDue warns first and closes then. Loop only.
func (s *Server) tokenDue(c *client) {
	if c.warned {
		s.close(c, protocol.CloseTokenExpired)
		return
	}
	c.warned = true
	c.deliver(protocol.AuthExpiring{TokenExpiresAt: c.expires.Load()}.Append(nil, 0))
	s.watchToken(c)
}

// Refresh puts a newer token in the place of the present one; an older one changes nothing. It must be of the same user and auth
// session: who a connection belongs to never changes. Loop only (dispatch.Caller).
func (c *client) Refresh(token string) (time.Time, error) {
	who, err := c.server.auth.Verify(token)
	if err != nil {
		return time.Time{}, err
	}
	if who.ID != c.user || who.Type != c.role.userType() || who.Session != c.session {
		err := core.Errorf(core.Forbidden, "the token is not of this socket's user and auth session")
		err.Field = "token"
		return time.Time{}, err
	}
	if expires := who.ExpiresAt.UnixMilli(); expires > c.expires.Load() {
		c.expires.Store(expires)
		c.warned = false
		if !c.leaving {
			c.server.watchToken(c)
		}
	}
	return time.UnixMilli(c.expires.Load()), nil
}
