package rest

import (
	"context"
	"net/netip"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

func (s *server) customerRoutes() []Route {
	signIn := append(linking(), core.Overloaded)
	return []Route{
		On("POST", "/api/client/auth/google", Anybody, "Sign in with Google, or link it to the account of the Bearer token", s.google, signIn...),
		On("POST", "/api/client/auth/apple", Anybody, "Sign in with Apple, or link it to the account of the Bearer token", s.apple, signIn...),
		On("PATCH", "/api/client/auth/profile", Customers, "Change one's display name", s.profile, core.NotFound),
		On("DELETE", "/api/client/auth/me", Customers, "Delete the account and what identifies it", s.deleteMe, core.NotFound),
		On("GET", "/api/client/auth/me/export", Customers, "Everything that is kept about one", s.export, core.NotFound),
		On("POST", "/api/shared/auth/logout-all", SignedIn, "End all auth sessions of the account", s.logoutAll),
	}
}

// linking are the codes of a route that gives an identity to the account of a Bearer token, if there is one.
func linking() []core.Code {
	return []core.Code{
		core.Unauthenticated, core.TokenExpired, core.SessionRevoked, core.Forbidden, core.NotFound, core.IdentityInUse, core.Conflict,
	}
}

type idToken struct {
	IDToken string  `json:"id_token"`
	Nonce   *string `json:"nonce" doc:"as the app made it; needed when the token carries one"`
	Code    *string `json:"authorization_code" doc:"Apple's: lets us revoke its token when the account is deleted"`
}

func (s *server) google(ctx context.Context, c *Call, in idToken) (pair, error) {
	return s.signInWith(ctx, c, auth.ByGoogle, in)
}

func (s *server) apple(ctx context.Context, c *Call, in idToken) (pair, error) {
	return s.signInWith(ctx, c, auth.ByApple, in)
}

func (s *server) signInWith(ctx context.Context, c *Call, kind auth.IdentityKind, in idToken) (pair, error) {
	proof := auth.TokenProof{Kind: kind, IDToken: in.IDToken, Nonce: orEmpty(in.Nonce), Code: orEmpty(in.Code), Device: device(c.R)}
	var err error
	if proof.Link, err = s.anybody(c.R); err != nil {
		return pair{}, err
	}
	tokens, err := s.deps.SignIn.SignInWith(ctx, proof)
	return pairOf(tokens), err
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

type profile struct {
	DisplayName string `json:"display_name" max:"80"`
}

func (s *server) profile(ctx context.Context, c *Call, in profile) (user, error) {
	account, err := s.deps.Accounts.Rename(ctx, c.Who, in.DisplayName)
	return userOf(account), err
}

func (s *server) deleteMe(ctx context.Context, c *Call, _ None) (None, error) {
	return None{}, s.deps.Accounts.DeleteAccount(ctx, c.Who)
}

func (s *server) logoutAll(ctx context.Context, c *Call, _ None) (None, error) {
	return None{}, s.deps.Tokens.LogoutAll(ctx, c.Who)
}

// export is what a customer may take along (machine-readable, as the law wants it).
type export struct {
	ExportedAt   int64           `json:"exported_at"`
	Account      user            `json:"account"`
	GoogleSub    string          `json:"google_sub,omitempty"`
	AppleSub     string          `json:"apple_sub,omitempty"`
	AuthSessions []exportSignIn  `json:"auth_sessions"`
	Devices      []exportDevice  `json:"devices"`
	PhoneCodes   []exportCode    `json:"phone_codes"`
	Sessions     []exportTalk    `json:"sessions"`
	Steps        []exportStep    `json:"session_events"`
	Payments     []exportPayment `json:"payments"`
	Refunds      []exportRefund  `json:"refunds"`
	Credits      []exportCredit  `json:"credits"`
}

type exportSignIn struct {
	ID         core.AuthSessionID `json:"id"`
	CreatedAt  int64              `json:"created_at"`
	LastUsedAt int64              `json:"last_used_at"`
	ExpiresAt  int64              `json:"expires_at"`
	RevokedAt  int64              `json:"revoked_at,omitempty"`
	UserAgent  string             `json:"user_agent"`
	IP         string             `json:"ip"`
}

type exportDevice struct {
	Platform  string `json:"platform"`
	PushToken string `json:"push_token"`
	CreatedAt int64  `json:"created_at"`
}

type exportCode struct {
	Phone     string `json:"phone"`
	CreatedAt int64  `json:"created_at"`
	UsedAt    int64  `json:"used_at,omitempty"`
	IP        string `json:"ip"`
}

type exportTalk struct {
	ID        core.SessionID `json:"id"`
	Status    string         `json:"status"`
	Minutes   int            `json:"duration_minutes"`
	Price     int64          `json:"price"`
	Note      string         `json:"note"`
	Mitra     *exportMitra   `json:"mitra,omitempty"`
	CreatedAt int64          `json:"created_at"`
	StartedAt int64          `json:"started_at,omitempty"`
	EndedAt   int64          `json:"ended_at,omitempty"`
	EndReason string         `json:"end_reason,omitempty"`
}

type exportStep struct {
	SessionID core.SessionID `json:"session_id"`
	Status    string         `json:"status" doc:"that it led to"`
	By        string         `json:"by" enum:"customer,mitra,cc_user,system"`
	Reason    string         `json:"reason,omitempty"`
	Note      string         `json:"note,omitempty" doc:"what the customer wrote"`
	At        int64          `json:"at"`
}

// exportMitra is what the customer saw of its mitra, and no more.
type exportMitra struct {
	ID          core.MitraID `json:"id"`
	DisplayName string       `json:"display_name"`
}

type exportPayment struct {
	ID        core.PaymentID `json:"id"`
	SessionID core.SessionID `json:"session_id"`
	Amount    int64          `json:"amount"`
	Currency  string         `json:"currency"`
	Status    string         `json:"status"`
	CreatedAt int64          `json:"created_at"`
	PaidAt    int64          `json:"paid_at,omitempty"`
}

type exportRefund struct {
	PaymentID core.PaymentID `json:"payment_id"`
	Amount    int64          `json:"amount"`
	Status    string         `json:"status" enum:"pending,succeeded,failed"`
	CreatedAt int64          `json:"created_at"`
	ClosedAt  int64          `json:"closed_at,omitempty"`
}

type exportCredit struct {
	Amount  int64  `json:"amount"`
	Balance int64  `json:"balance"`
	Reason  string `json:"reason"`
	At      int64  `json:"at"`
}

func (s *server) export(ctx context.Context, c *Call, _ None) (export, error) {
	e, err := s.deps.Accounts.Export(ctx, c.Who)
	if err != nil {
		return export{}, err
	}
	c.W.Header().Set("Content-Disposition", `attachment; filename="bestie-export.json"`)
	out := export{
		ExportedAt: millis(e.At), Account: userOf(e.Account), GoogleSub: e.Google, AppleSub: e.Apple,
		AuthSessions: []exportSignIn{}, Devices: []exportDevice{}, PhoneCodes: []exportCode{}, Sessions: []exportTalk{}, Steps: []exportStep{},
		Payments: []exportPayment{}, Refunds: []exportRefund{}, Credits: []exportCredit{},
	}
	exportTalks(&out, e)
	exportMoney(&out, e)
	for _, x := range e.AuthSessions {
		out.AuthSessions = append(out.AuthSessions, exportSignIn{
			ID: x.ID, CreatedAt: millis(x.CreatedAt), LastUsedAt: millis(x.LastUsedAt), ExpiresAt: millis(x.ExpiresAt),
			RevokedAt: millis(x.RevokedAt), UserAgent: x.UserAgent, IP: ipText(x.IP),
		})
	}
	for _, x := range e.Devices {
		out.Devices = append(out.Devices, exportDevice{Platform: x.Platform, PushToken: x.Token, CreatedAt: millis(x.CreatedAt)})
	}
	for _, x := range e.Codes {
		out.PhoneCodes = append(out.PhoneCodes, exportCode{Phone: x.Phone, CreatedAt: millis(x.CreatedAt), UsedAt: millis(x.UsedAt), IP: ipText(x.IP)})
	}
	return out, nil
}

func exportTalks(out *export, e auth.Export) {
	for _, x := range e.Sessions {
		out.Sessions = append(out.Sessions, talkOf(x))
	}
	for _, x := range e.Steps {
		out.Steps = append(out.Steps, exportStep{SessionID: x.Session, Status: x.Status, By: x.By, Reason: x.Reason, Note: x.Note, At: millis(x.At)})
	}
}

func exportMoney(out *export, e auth.Export) {
	for _, x := range e.Payments {
		out.Payments = append(out.Payments, exportPayment{
			ID: x.ID, SessionID: x.Session, Amount: x.Amount, Currency: x.Currency, Status: x.Status,
			CreatedAt: millis(x.CreatedAt), PaidAt: millis(x.PaidAt),
		})
	}
	for _, x := range e.Refunds {
		out.Refunds = append(out.Refunds, exportRefund{
			PaymentID: x.Payment, Amount: x.Amount, Status: x.Status, CreatedAt: millis(x.At), ClosedAt: millis(x.ClosedAt),
		})
	}
	for _, x := range e.Credits {
		out.Credits = append(out.Credits, exportCredit{Amount: x.Amount, Balance: x.Balance, Reason: x.Reason, At: millis(x.At)})
	}
}

func talkOf(x auth.ExportedSession) exportTalk {
	talk := exportTalk{
		ID: x.ID, Status: x.Status, Minutes: x.Minutes, Price: x.Price, Note: x.Note, CreatedAt: millis(x.CreatedAt),
		StartedAt: millis(x.StartedAt), EndedAt: millis(x.EndedAt), EndReason: x.EndReason,
	}
	if !x.MitraID.IsZero() {
		talk.Mitra = &exportMitra{ID: x.MitraID, DisplayName: x.MitraName}
	}
	return talk
}

func ipText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}
