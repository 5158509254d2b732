package rest

import (
	"net/http"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
)

// principal is who a request's Bearer token says. Two Authorization headers are refused: two readers could each believe another one.
// RATE_LIMITED when the account has used up its minute.
func (s *server) principal(r *http.Request) (core.Principal, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return core.Principal{}, core.Errorf(core.Unauthenticated, "one header is needed: Authorization: Bearer <access token>")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return core.Principal{}, core.Errorf(core.Unauthenticated, "the header must be: Authorization: Bearer <access token>")
	}
	who, err := s.deps.Tokens.Verify(token)
	if err == nil {
		err = s.allow(s.accounts, r, "user:"+who.ID.String())
	}
	return who, err
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
