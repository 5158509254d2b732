package rest

import (
	"context"
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
	return func(w http.ResponseWriter, r *http.Request, params httprouter.Params) {
		who, err := s.principal(r)
		if err == nil && !slices.Contains(users, who.Type) {
			err = core.Errorf(core.Forbidden, "not for a %s", who.Type)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if len(params) > 0 {
			r = r.WithContext(context.WithValue(r.Context(), httprouter.ParamsKey, params))
		}
		next(w, r, who)
	}
}

// operator lets operators through to a handler of the internal routes: all of them, or only those with one of the named roles. It costs
// no query: the token says who and with which role, and a change of role revokes it. The handler finds both in its
// principal, as who.Operator() and who.Role. UNAUTHENTICATED, TOKEN_EXPIRED, SESSION_REVOKED, FORBIDDEN.
func (s *server) operator(next known, roles ...core.Role) httprouter.Handle {
	return s.by(func(w http.ResponseWriter, r *http.Request, who core.Principal) {
		if len(roles) > 0 && !slices.Contains(roles, who.Role) {
			s.fail(w, r, core.Errorf(core.Forbidden, "not for the role %s", who.Role))
			return
		}
		next(w, r, who)
	}, core.Operator)
}

// param is a parameter of the route that the request took, such as ":id"; the routes under operator and by read theirs so.
func param(r *http.Request, name string) string {
	return httprouter.ParamsFromContext(r.Context()).ByName(name)
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
