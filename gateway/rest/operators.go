package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// The operators' refresh token never is where a script could read it: it travels in a cookie that only the routes below
// /internal/auth get, only from pages of the control center (fromOurPages).
const (
	refreshCookie = "bestie_refresh"
	cookiePath    = "/internal/auth"
)

func (s *server) operatorRoutes() []Route {
	return []Route{
		On("POST", "/internal/auth/login", Anybody, "Sign an operator in; sets the cookie bestie_refresh", s.logIn,
			core.Unauthenticated, core.AccountInactive, core.Forbidden, core.RateLimited, core.Overloaded),
		On("POST", "/internal/auth/refresh", Anybody, "Change the cookie's refresh token for its successor", s.refreshOperator,
			core.Unauthenticated, core.SessionRevoked, core.AccountInactive, core.Forbidden, core.Overloaded),
		On("POST", "/internal/auth/logout", Anybody, "End the operator's auth session and clear the cookie", s.logOut,
			core.Unauthenticated, core.SessionRevoked, core.TokenExpired, core.Forbidden, core.Overloaded),
		On("GET", "/internal/auth/me", Operators, "Which operator one is", s.operatorMe, core.NotFound),
	}
}

// operator is an operator's account as it sees it itself.
type operator struct {
	ID          core.UserID   `json:"id"`
	UserType    core.UserType `json:"user_type"`
	DisplayName string        `json:"display_name"`
	Email       string        `json:"email"`
	Role        core.Role     `json:"role" enum:"admin,operator"`
	CreatedAt   int64         `json:"created_at"`
}

func operatorOf(a auth.Account) operator {
	return operator{
		ID: a.ID, UserType: a.Type, DisplayName: a.DisplayName, Email: a.Email, Role: a.Role, CreatedAt: millis(a.CreatedAt),
	}
}

// operatorTokens is a pair whose refresh token is in the cookie.
type operatorTokens struct {
	AccessToken          string   `json:"access_token"`
	AccessTokenExpiresAt int64    `json:"access_token_expires_at"`
	User                 operator `json:"user"`
}

type logInRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (s *server) logIn(ctx context.Context, c *Call, in logInRequest) (operatorTokens, error) {
	if err := s.fromOurPages(c.R); err != nil {
		return operatorTokens{}, err
	}
	if err := s.allow(s.logIns, c.R, "login:"+household(requestOf(ctx).from).String()); err != nil {
		return operatorTokens{}, err
	}
	return s.signedIn(c)(s.deps.Operators.LogIn(ctx, in.Email, in.Password, device(c.R)))
}

func (s *server) refreshOperator(ctx context.Context, c *Call, _ None) (operatorTokens, error) {
	if err := s.fromOurPages(c.R); err != nil {
		return operatorTokens{}, err
	}
	token, err := theCookie(c.R)
	if err != nil {
		return operatorTokens{}, err
	}
	tokens, err := s.deps.Operators.RefreshOperator(ctx, token, device(c.R))
	switch core.CodeOf(err) {
	case core.Unauthenticated, core.SessionRevoked, core.AccountInactive:
		s.clearCookie(c.W) // it will never be good again
	}
	return s.signedIn(c)(tokens, err)
}

// signedIn puts the refresh token into the cookie and the rest into the answer.
func (s *server) signedIn(c *Call) func(auth.Tokens, error) (operatorTokens, error) {
	return func(t auth.Tokens, err error) (operatorTokens, error) {
		if err != nil {
			return operatorTokens{}, err
		}
		http.SetCookie(c.W, s.cookie(t.Refresh, int(t.EndsAt.Sub(s.clock())/time.Second)))
		return operatorTokens{
			AccessToken: t.Access, AccessTokenExpiresAt: millis(t.AccessExpiresAt), User: operatorOf(t.Account),
		}, nil
	}
}

// logOut ends the auth session of the cookie, or, where there is none, of the Bearer token. A cookie that is good for nothing is
// cleared all the same.
func (s *server) logOut(ctx context.Context, c *Call, _ None) (None, error) {
	if err := s.fromOurPages(c.R); err != nil {
		return None{}, err
	}
	token, err := theCookie(c.R)
	if err == nil {
		err = s.deps.Tokens.LogoutByRefresh(ctx, token)
		if err == nil || core.CodeOf(err) == core.Unauthenticated {
			s.clearCookie(c.W)
		}
		return None{}, err
	}
	who, err := s.principal(c.R)
	if err != nil {
		return None{}, err
	}
	s.clearCookie(c.W)
	return None{}, s.deps.Tokens.Logout(ctx, who)
}

func (s *server) operatorMe(ctx context.Context, c *Call, _ None) (operator, error) {
	account, err := s.deps.SignIn.Me(ctx, c.Who)
	return operatorOf(account), err
}

func (s *server) cookie(value string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: refreshCookie, Value: value, Path: cookiePath, MaxAge: seconds,
		HttpOnly: true, Secure: !s.plainCookies, SameSite: http.SameSiteStrictMode,
	}
}

func (s *server) clearCookie(w http.ResponseWriter) { http.SetCookie(w, s.cookie("", -1)) }

// theCookie is the refresh token of a request. Two cookies of the name are refused: one was planted.
func theCookie(r *http.Request) (string, error) {
	cookies := r.CookiesNamed(refreshCookie)
	if len(cookies) != 1 {
		return "", core.Errorf(core.Unauthenticated, "one cookie %s is needed", refreshCookie)
	}
	return cookies[0].Value, nil
}
