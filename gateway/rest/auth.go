package rest

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

// user is an account as its owner sees it.
type user struct {
	ID          core.UserID   `json:"id"`
	UserType    core.UserType `json:"user_type"`
	DisplayName string        `json:"display_name"`
	Phone       string        `json:"phone,omitempty"`
	Email       string        `json:"email,omitempty"`
	IsAnonymous bool          `json:"is_anonymous"`
	CreatedAt   int64         `json:"created_at"`
}

func userOf(a auth.Account) user {
	return user{
		ID: a.ID, UserType: a.Type, DisplayName: a.DisplayName, Phone: a.Phone, Email: a.Email,
		IsAnonymous: a.Anonymous, CreatedAt: millis(a.CreatedAt),
	}
}

// pair is what a sign-in and a refresh answer.
type pair struct {
	AccessToken          string `json:"access_token"`
	AccessTokenExpiresAt int64  `json:"access_token_expires_at"`
	RefreshToken         string `json:"refresh_token"`
	User                 user   `json:"user"`
}

func pairOf(t auth.Tokens) pair {
	return pair{
		AccessToken: t.Access, AccessTokenExpiresAt: millis(t.AccessExpiresAt), RefreshToken: t.Refresh, User: userOf(t.Account),
	}
}

func (s *server) signInAnonymous(ctx context.Context, c *Call, _ None) (pair, error) {
	tokens, err := s.deps.SignIn.SignInAnonymous(ctx, device(c.R))
	return pairOf(tokens), err
}

type refreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

func (s *server) refresh(ctx context.Context, c *Call, in refreshRequest) (pair, error) {
	tokens, err := s.deps.Tokens.Refresh(ctx, in.RefreshToken, device(c.R))
	return pairOf(tokens), err
}

type logoutRequest struct {
	RefreshToken *string `json:"refresh_token" doc:"instead of a Bearer token, for a client whose access token has run out"`
}

// logout ends the auth session of the Bearer token, or, for a client whose access token has run out, of the refresh token
// in the body.
func (s *server) logout(ctx context.Context, c *Call, in logoutRequest) (None, error) {
	if len(c.R.Header.Values("Authorization")) == 0 && in.RefreshToken != nil {
		return None{}, s.deps.Tokens.LogoutByRefresh(ctx, *in.RefreshToken)
	}
	who, err := s.principal(c.R)
	if err != nil {
		return None{}, err
	}
	return None{}, s.deps.Tokens.Logout(ctx, who)
}

type codeRequest struct {
	Phone string `json:"phone"`
}

type codeTicket struct {
	ID          core.OTPRequestID `json:"otp_request_id"`
	ResendAfter int               `json:"resend_after_seconds"`
	ExpiresIn   int               `json:"expires_in_seconds"`
}

// requestCode answers known and unknown phones alike.
func (s *server) requestCode(app core.UserType) func(context.Context, *Call, codeRequest) (codeTicket, error) {
	return func(ctx context.Context, c *Call, in codeRequest) (codeTicket, error) {
		ticket, err := s.deps.SignIn.RequestCode(ctx, app, in.Phone, device(c.R))
		return codeTicket{
			ID: ticket.ID, ResendAfter: wholeSeconds(ticket.ResendAfter), ExpiresIn: wholeSeconds(ticket.ExpiresIn),
		}, err
	}
}

type codeProof struct {
	ID   core.OTPRequestID `json:"otp_request_id"`
	Code string            `json:"code"`
}

// verifyCode signs in, or, for a customer who is signed in, links the phone to that account.
func (s *server) verifyCode(app core.UserType) func(context.Context, *Call, codeProof) (pair, error) {
	return func(ctx context.Context, c *Call, in codeProof) (pair, error) {
		proof := auth.CodeProof{App: app, Request: in.ID, Code: in.Code, Device: device(c.R)}
		if app == core.Customer {
			var err error
			if proof.Link, err = s.anybody(c.R); err != nil {
				return pair{}, err
			}
		}
		tokens, err := s.deps.SignIn.VerifyCode(ctx, proof)
		return pairOf(tokens), err
	}
}

func (s *server) me(ctx context.Context, c *Call, _ None) (user, error) {
	account, err := s.deps.SignIn.Me(ctx, c.Who)
	return userOf(account), err
}
