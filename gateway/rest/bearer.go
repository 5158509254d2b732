package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
)

// known is a handler for somebody whose access token was verified.
type known func(w http.ResponseWriter, r *http.Request, who core.Principal)

// by lets only the named kinds of users through to a handler. UNAUTHENTICATED, TOKEN_EXPIRED, SESSION_REVOKED, FORBIDDEN.
func (s *server) by(next known, users ...core.UserType) httprouter.Handle {
	return func(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
		who, err := s.principal(r)
		if err == nil && !slices.Contains(users, who.Type) {
			err = core.Errorf(core.Forbidden, "not for a %s", who.Type)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next(w, r, who)
	}
}

// principal is who a request's Bearer token says. Two Authorization headers are refused: two readers could each believe another one.
func (s *server) principal(r *http.Request) (core.Principal, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return core.Principal{}, core.Errorf(core.Unauthenticated, "one Authorization header is needed")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return core.Principal{}, core.Errorf(core.Unauthenticated, "a Bearer token is needed")
	}
	return s.deps.Tokens.Verify(token)
}

// anybody is principal for routes that may be called without a token: nil then. A token that is there must be good.
func (s *server) anybody(r *http.Request) (*core.Principal, error) {
	if len(r.Header.Values("Authorization")) == 0 {
		return nil, nil
	}
	who, err := s.principal(r)
	if err != nil {
		return nil, err
	}
	return &who, nil
}
