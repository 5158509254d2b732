package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/core/payment"
)

// Tokens keeps people signed in. Implemented by auth.Service, as are the next two.
type Tokens interface {
	Verify(token string) (core.Principal, error)
	Refresh(ctx context.Context, token string, from auth.Device) (auth.Tokens, error)
	Logout(ctx context.Context, who core.Principal) error
	LogoutByRefresh(ctx context.Context, token string) error
	LogoutAll(ctx context.Context, who core.Principal) error
}

// SignIn lets people in.
type SignIn interface {
	SignInAnonymous(ctx context.Context, from auth.Device) (auth.Tokens, error)
	RequestCode(ctx context.Context, app core.UserType, phone string, from auth.Device) (auth.CodeTicket, error)
	VerifyCode(ctx context.Context, proof auth.CodeProof) (auth.Tokens, error)
	SignInWith(ctx context.Context, proof auth.TokenProof) (auth.Tokens, error)
	Me(ctx context.Context, who core.Principal) (auth.Account, error)
}

// Accounts is what customers do to their own accounts. Implemented by auth.Service.
type Accounts interface {
	Rename(ctx context.Context, who core.Principal, name string) (auth.Account, error)
	DeleteAccount(ctx context.Context, who core.Principal) error
	Export(ctx context.Context, who core.Principal) (auth.Export, error)
}

// ControlCenter lets the people of the control center in. Implemented by auth.Service.
type ControlCenter interface {
	LogIn(ctx context.Context, email, password string, from auth.Device) (auth.Tokens, error)
	RefreshOperator(ctx context.Context, token string, from auth.Device) (auth.Tokens, error)
}

// Limits counts requests for all instances together (store/valkey).
type Limits interface {
	// Take uses one of the perMinute requests of a key, or tells how long to wait for the next. It answers fast, whatever the
	// store does; an error means that nothing was counted.
	Take(ctx context.Context, key string, perMinute int) (wait time.Duration, err error)
}

// TestAccounts makes users for tests.
type TestAccounts interface {
	SeedMitra(ctx context.Context, phone, name string, from auth.Device) (auth.Tokens, error)
}

// Catalogue is what can be bought. Implemented by chat.Service.
type Catalogue interface {
	Packages(ctx context.Context) ([]chat.Package, error)
}

// Payments is what customers pay. Implemented by payment.Service, as is Webhooks.
type Payments interface {
	Invoice(ctx context.Context, session core.SessionID, by core.CustomerID) (payment.Payment, error)
	Payment(ctx context.Context, id core.PaymentID, by core.CustomerID) (payment.Payment, error)
}

// Webhooks takes what the payment vendor tells.
type Webhooks interface {
	Authentic(token string) bool
	// Deliver keeps a body and gives it its effect. UNAVAILABLE when it was not kept.
	Deliver(ctx context.Context, body []byte, delivery string) (payment.Outcome, error)
}

// Readiness tells whether this instance should be sent traffic. It answers fast, whatever its stores do.
type Readiness interface {
	Ready(ctx context.Context) Ready
}

// Ready is the answer, with its reasons.
type Ready struct {
	OK    bool
	Parts []Part
}

// Part is one thing that readiness was judged by. One that is out need not make the instance unready.
type Part struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Deps is what the routes stand on. Nothing in it may be nil but what says so.
type Deps struct {
	Tokens       Tokens
	SignIn       SignIn
	Accounts     Accounts
	Operators    ControlCenter
	Limits       Limits       // nil: each instance limits for itself
	TestAccounts TestAccounts // nil: the test routes are off and answer 404
	Catalogue    Catalogue
	Payments     Payments
	Webhooks     Webhooks     // nil: the payment provider sends none, the route answers 404
	Checkout     http.Handler // the payment sandbox's page; nil: there is none
	Readiness    Readiness
	Metrics      http.Handler // nil: /metrics answers 404
	Description  []byte       // the OpenAPI document; nil: /internal/openapi.json answers 404
}
