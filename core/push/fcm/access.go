package fcm

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	scope           = "https://www.googleapis.com/auth/firebase.messaging"
	defaultTokenURL = "https://oauth2.googleapis.com/token"
	defaultMetadata = "http://metadata.google.internal"
	assertionLife   = time.Hour
	// renewBefore keeps a token from ending on its way; failurePause keeps a crowd that wants one from asking one after the other
	// when there is none.
	renewBefore  = 2 * time.Minute
	failurePause = time.Second
)

// grant is an access token as Google's token endpoints answer.
type grant struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// fetcher asks for a new access token.
type fetcher func(ctx context.Context) (grant, error)

// accessTokens keeps one access token. Whoever finds it missing fetches it, and the others wait for that, each as long as its
// context lasts.
type accessTokens struct {
	fetch fetcher
	clock core.Clock
	turn  chan struct{} // whoever holds its one token may touch what follows

	token  string
	until  time.Time
	err    error // of the last fetch
	failed time.Time
}

func newAccessTokens(fetch fetcher, clock core.Clock) *accessTokens {
	a := &accessTokens{fetch: fetch, clock: clock, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// get gives a token that is good for a while.
func (a *accessTokens) get(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-a.turn:
	}
	defer func() { a.turn <- struct{}{} }()
	now := a.clock()
	if a.token != "" && now.Before(a.until) {
		return a.token, nil
	}
	if a.err != nil && now.Sub(a.failed) < failurePause {
		return "", a.err
	}
	g, err := a.fetch(ctx)
	if err == nil && (g.AccessToken == "" || g.ExpiresIn <= 0) {
		err = errors.New("an answer without a token")
	}
	if err != nil {
		a.token, a.err, a.failed = "", err, a.clock()
		return "", err
	}
	life := time.Duration(g.ExpiresIn) * time.Second
	a.token, a.err, a.until = g.AccessToken, nil, now.Add(max(life-renewBefore, life/2))
	return a.token, nil
}

// forget drops a token that was refused, unless there is a newer one.
func (a *accessTokens) forget(token string) {
	<-a.turn
	defer func() { a.turn <- struct{}{} }()
	if a.token == token {
		a.token = ""
	}
}

// account is what we need of a service account's JSON file.
type account struct {
	Type       string `json:"type"`
	ProjectID  string `json:"project_id"`
	KeyID      string `json:"private_key_id"`
	PrivateKey string `json:"private_key"`
	Email      string `json:"client_email"`
	TokenURL   string `json:"token_uri"`

	key *rsa.PrivateKey
}

// parseAccount reads the file. Its errors show nothing of it.
func parseAccount(file []byte) (*account, error) {
	var a account
	if json.Unmarshal(file, &a) != nil {
		return nil, errors.New("the credentials are not JSON")
	}
	if a.Type != "service_account" || a.Email == "" {
		return nil, errors.New("the credentials are not those of a service account")
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(a.PrivateKey))
	if err != nil {
		return nil, errors.New("the credentials hold no RSA key in PEM")
	}
	a.key = key
	if a.TokenURL == "" {
		a.TokenURL = defaultTokenURL
	}
	return &a, nil
}

// accountFetcher trades an assertion that the account signed for an access token (RFC 7523).
func accountFetcher(client *http.Client, a *account, clock core.Clock) fetcher {
	return func(ctx context.Context) (grant, error) {
		now := clock()
		assertion := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
			"iss": a.Email, "scope": scope, "aud": a.TokenURL, "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
		})
		assertion.Header["kid"] = a.KeyID
		signed, err := assertion.SignedString(a.key)
		if err != nil {
			return grant{}, errors.New("the key of the credentials does not sign")
		}
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {signed}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.TokenURL, strings.NewReader(form.Encode()))
		if err != nil {
			return grant{}, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return askGrant(client, req)
	}
}

// metadataFetcher asks the machine's metadata server, which every machine of Google Cloud has.
func metadataFetcher(client *http.Client, base string) fetcher {
	if base == "" {
		base = defaultMetadata
	}
	address := base + "/computeMetadata/v1/instance/service-accounts/default/token?scopes=" + url.QueryEscape(scope)
	return func(ctx context.Context) (grant, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return grant{}, err
		}
		req.Header.Set("Metadata-Flavor", "Google")
		return askGrant(client, req)
	}
}

func askGrant(client *http.Client, req *http.Request) (g grant, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return grant{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return grant{}, err
	}
	if err := json.Unmarshal(body, &g); err != nil || resp.StatusCode != http.StatusOK {
		return grant{}, fmt.Errorf("%s %s: %s %s", req.URL.Host, resp.Status, g.Error, g.Description)
	}
	return g, nil
}
