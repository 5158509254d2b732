// Package client is an app as the gateway sees it: it signs in over REST and holds one socket. The simulator, the load
// generators and the benchmarks are built of it; it knows the gateway by its wire and routes alone.
//
//	api := client.NewAPI(target, internal)
//	account, err := api.Anonymous(ctx)
//	socket, err := client.Dial(ctx, client.Dialing{Target: target, Token: account.AccessToken})
//	for { msg, at, err := socket.Read() … }       // one goroutine reads
//	socket.Send(protocol.Heartbeat{}.Append(nil, 1)) // any goroutine sends
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/bench/oracle"
	"github.com/halobestie/bestie-gateway/protocol"
)

// requestTimeout bounds one REST request.
const requestTimeout = 10 * time.Second

// API calls the REST routes of one gateway. It may be used by any number of goroutines.
type API struct {
	target, internal string
	http             *http.Client
}

// NewAPI makes one for a gateway's public and internal addresses, with or without "http://".
func NewAPI(target, internal string) *API {
	return &API{
		target:   baseURL(target),
		internal: baseURL(internal),
		http: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
			MaxIdleConns: 64, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
		}},
	}
}

// Close lets idle connections go.
func (a *API) Close() { a.http.CloseIdleConnections() }

// baseURL makes an address a URL without a slash at its end.
func baseURL(address string) string {
	switch scheme, rest, ok := strings.Cut(address, "://"); {
	case !ok:
		address = "http://" + address
	case scheme == "ws":
		address = "http://" + rest
	case scheme == "wss":
		address = "https://" + rest
	}
	return strings.TrimRight(address, "/")
}

// Account is somebody who is signed in.
type Account struct {
	ID           protocol.UUID
	AccessToken  string
	RefreshToken string
}

// Package is what can be bought.
type Package struct {
	ID              protocol.UUID `json:"id"`
	Name            string        `json:"name"`
	DurationMinutes int           `json:"duration_minutes"`
	Price           int64         `json:"price"`
}

// StatusError is an answer that is none of the 200s.
type StatusError struct {
	Status  int
	Code    string
	Message string
}

// Error is all of it.
func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Status, e.Code, e.Message))
}

// Alive asks whether a gateway is there.
func (a *API) Alive(ctx context.Context) error {
	return a.call(ctx, http.MethodGet, a.target+"/healthz", "", nil, nil)
}

// Anonymous makes a new customer.
func (a *API) Anonymous(ctx context.Context) (Account, error) {
	var pair struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		User         struct {
			ID protocol.UUID `json:"id"`
		} `json:"user"`
	}
	err := a.call(ctx, http.MethodPost, a.target+"/api/shared/auth/anonymous", "", struct{}{}, &pair)
	return Account{pair.User.ID, pair.AccessToken, pair.RefreshToken}, err
}

// SeedMitra makes the mitra with that phone, or signs it in again. It needs the test routes: a 404 says that they are off.
func (a *API) SeedMitra(ctx context.Context, phone, displayName string) (Account, error) {
	var seeded struct {
		Mitra struct {
			ID protocol.UUID `json:"id"`
		} `json:"mitra"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	body := map[string]string{"phone": phone, "display_name": displayName}
	err := a.call(ctx, http.MethodPost, a.internal+"/internal/_test/seed-mitra", "", body, &seeded)
	return Account{seeded.Mitra.ID, seeded.AccessToken, seeded.RefreshToken}, err
}

// Refresh gives the account a new token pair.
func (a *API) Refresh(ctx context.Context, account Account) (Account, error) {
	var pair struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	body := map[string]string{"refresh_token": account.RefreshToken}
	err := a.call(ctx, http.MethodPost, a.target+"/api/shared/auth/refresh", "", body, &pair)
	return Account{account.ID, pair.AccessToken, pair.RefreshToken}, err
}

// Packages lists what can be bought.
func (a *API) Packages(ctx context.Context, account Account) ([]Package, error) {
	var list struct {
		Items []Package `json:"items"`
	}
	err := a.call(ctx, http.MethodGet, a.target+"/api/client/packages", account.AccessToken, nil, &list)
	return list.Items, err
}

// Audit reads what the stores hold, sessions and modes since a time (oracle.Stores). It needs the test routes.
func (a *API) Audit(ctx context.Context, since time.Time) (oracle.Audit, error) {
	var audit oracle.Audit
	url := fmt.Sprintf("%s/internal/_test/audit?since=%d", a.internal, since.UnixMilli())
	err := a.call(ctx, http.MethodGet, url, "", nil, &audit)
	return audit, err
}

// Metrics reads the internal listener's metrics in their text form.
func (a *API) Metrics(ctx context.Context) (string, error) {
	var text string
	err := a.call(ctx, http.MethodGet, a.internal+"/metrics", "", nil, &text)
	return text, err
}

// call sends body as JSON and reads the answer into out, which may be nil, or a *string for what is no JSON.
func (a *API) call(ctx context.Context, method, url, token string, body, out any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode a request: %w", err)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if response.StatusCode/100 != 2 {
		return statusError(response.StatusCode, text)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(text)
		return nil
	default:
		if err := json.Unmarshal(text, out); err != nil {
			return fmt.Errorf("the answer of %s is not what it should be: %w", url, err)
		}
		return nil
	}
}

// statusError finds the code in an error's body, if there is one.
func statusError(status int, text []byte) error {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &body) // another server's error page says nothing more
	return &StatusError{Status: status, Code: body.Error.Code, Message: body.Error.Message}
}
