package rest

import (
	"net/http"

	"github.com/julienschmidt/httprouter"

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

func (s *server) signInAnonymous(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
	if err := decodeOptional(w, r, &struct{}{}); err != nil {
		s.fail(w, r, err)
		return
	}
	tokens, err := s.deps.SignIn.SignInAnonymous(r.Context(), device(r))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusCreated, pairOf(tokens))
}

func (s *server) refresh(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	tokens, err := s.deps.Tokens.Refresh(r.Context(), body.RefreshToken, device(r))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusOK, pairOf(tokens))
}

// logout ends the auth session of the Bearer token, or, for a client whose access token has run out, of the refresh token
// in the body.
func (s *server) logout(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	err := decodeOptional(w, r, &body)
	if err == nil {
		if len(r.Header.Values("Authorization")) == 0 && body.RefreshToken != "" {
			err = s.deps.Tokens.LogoutByRefresh(r.Context(), body.RefreshToken)
		} else {
			err = s.logoutBearer(r)
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) logoutBearer(r *http.Request) error {
	who, err := s.principal(r)
	if err != nil {
		return err
	}
	return s.deps.Tokens.Logout(r.Context(), who)
}

// requestCode answers known and unknown phones alike.
func (s *server) requestCode(app core.UserType) httprouter.Handle {
	type answer struct {
		ID          core.OTPRequestID `json:"otp_request_id"`
		ResendAfter int               `json:"resend_after_seconds"`
		ExpiresIn   int               `json:"expires_in_seconds"`
	}
	return func(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
		var body struct {
			Phone string `json:"phone"`
		}
		if err := decode(w, r, &body); err != nil {
			s.fail(w, r, err)
			return
		}
		ticket, err := s.deps.SignIn.RequestCode(r.Context(), app, body.Phone, device(r))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.reply(w, r, http.StatusOK, answer{
			ID: ticket.ID, ResendAfter: wholeSeconds(ticket.ResendAfter), ExpiresIn: wholeSeconds(ticket.ExpiresIn),
		})
	}
}

// verifyCode signs in, or, for a customer who is signed in, links the phone to that account.
func (s *server) verifyCode(app core.UserType) httprouter.Handle {
	return func(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
		var body struct {
			ID   string `json:"otp_request_id"`
			Code string `json:"code"`
		}
		if err := decode(w, r, &body); err != nil {
			s.fail(w, r, err)
			return
		}
		proof := auth.CodeProof{App: app, Code: body.Code, Device: device(r)}
		var err error
		if proof.Request, err = core.ParseID[core.OTPRequestID](body.ID); err != nil {
			s.fail(w, r, core.FieldError("otp_request_id", "not a UUID"))
			return
		}
		if app == core.Customer {
			if proof.Link, err = s.anybody(r); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		tokens, err := s.deps.SignIn.VerifyCode(r.Context(), proof)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.reply(w, r, http.StatusOK, pairOf(tokens))
	}
}

func (s *server) me(w http.ResponseWriter, r *http.Request, who core.Principal) {
	account, err := s.deps.SignIn.Me(r.Context(), who)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusOK, userOf(account))
}
