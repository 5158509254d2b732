// Package oidc checks the ID tokens of Google and Apple, and speaks with Apple about its refresh tokens.
//
// An ID token is believed when all of this holds: signed by RS256 and no other algorithm, with a key that its issuer publishes now
// (keySet); from that issuer; for one of our clients; not expired (a minute of leeway for clocks), nor from the future; and, when it carries a nonce
// or one was sent along, with that nonce. Apple is given the SHA-256 of the nonce by the app, so its token carries that. Who
// somebody is says sub alone, never an address: those change hands.
//
// Apple wants to be told when an account is deleted, by revoking a refresh token, which is had for the authorization code of the sign-in:
//
//	sign-in: code ─► POST /auth/token (client secret: a JWT by ES256, five minutes) ─► refresh token, kept encrypted by core/auth
//	deletion: refresh token ─► POST /auth/revoke
package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/auth"
)

const (
	maxToken   = 16 << 10
	maxSubject = 255
	leeway     = time.Minute
)

// GoogleKeys is where Google publishes its keys.
const GoogleKeys = "https://www.googleapis.com/oauth2/v3/certs"

// Verifier implements auth.IDTokens for one provider. Its method may be called concurrently.
type Verifier struct {
	issuers   []string
	audiences []string
	hashed    bool // the token carries the SHA-256 of the nonce
	keys      *keySet
	parser    *jwt.Parser
}

// NewGoogle makes the verifier of Google's tokens for any of our clients (GOOGLE_OAUTH_CLIENT_IDS). An empty keysURL is GoogleKeys.
func NewGoogle(clients []string, keysURL string, client *http.Client, clock core.Clock) *Verifier {
	if keysURL == "" {
		keysURL = GoogleKeys
	}
	return newVerifier([]string{"https://accounts.google.com", "accounts.google.com"}, clients, keysURL, client, clock)
}

func newVerifier(issuers, audiences []string, keysURL string, client *http.Client, clock core.Clock) *Verifier {
	return &Verifier{
		issuers: issuers, audiences: audiences,
		keys: &keySet{url: keysURL, client: client, clock: clock},
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
			jwt.WithStrictDecoding(), jwt.WithTimeFunc(clock),
		),
	}
}

// NewClient makes the HTTP client for the providers: time-outs, and no redirects. Whoever made it closes its idle connections.
func NewClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 16
	return &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// claims is the payload of an ID token. Apple sends its booleans as strings now and then.
type claims struct {
	AuthorizedParty string `json:"azp"`
	Nonce           string `json:"nonce"`
	Email           string `json:"email"`
	EmailVerified   any    `json:"email_verified"`
	jwt.RegisteredClaims
}

// Verify implements auth.IDTokens. UNAUTHENTICATED about id_token or nonce, UNAVAILABLE when the provider's keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, idToken, nonce string) (auth.Claim, error) {
	read, err := v.read(ctx, idToken)
	if err != nil {
		return auth.Claim{}, err
	}
	if !v.isNonce(read.Nonce, nonce) {
		return auth.Claim{}, &core.Error{Code: core.Unauthenticated, Field: "nonce", Message: "not the nonce of this ID token"}
	}
	claim := auth.Claim{Subject: read.Subject, Audience: v.client(read)}
	if read.EmailVerified == true || read.EmailVerified == "true" {
		claim.Email = read.Email
	}
	return claim, nil
}

// read checks everything but the nonce.
func (v *Verifier) read(ctx context.Context, idToken string) (claims, error) {
	var read claims
	if idToken == "" || len(idToken) > maxToken {
		return read, errNotAnIDToken("not a valid ID token")
	}
	_, err := v.parser.ParseWithClaims(idToken, &read, func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		return v.keys.key(ctx, kid)
	})
	var coded *core.Error
	switch {
	case errors.As(err, &coded):
		return read, coded // the keys cannot be had
	case errors.Is(err, jwt.ErrTokenExpired):
		return read, errNotAnIDToken("the ID token has expired")
	case err != nil:
		return read, errNotAnIDToken("not a valid ID token")
	case !slices.Contains(v.issuers, read.Issuer):
		return read, errNotAnIDToken("the ID token is another issuer's")
	case v.client(read) == "":
		return read, errNotAnIDToken("the ID token is for somebody else")
	case read.Subject == "" || len(read.Subject) > maxSubject || strings.ContainsRune(read.Subject, 0):
		return read, errNotAnIDToken("the ID token names nobody")
	}
	return read, nil
}

// client is the one of ours that a token is for; "" when it is for none. A token for several must have been asked for by ours.
func (v *Verifier) client(read claims) string {
	if len(read.Audience) > 1 {
		if slices.Contains(v.audiences, read.AuthorizedParty) && slices.Contains(read.Audience, read.AuthorizedParty) {
			return read.AuthorizedParty
		}
		return ""
	}
	if len(read.Audience) == 1 && slices.Contains(v.audiences, read.Audience[0]) {
		return read.Audience[0]
	}
	return ""
}

// isNonce holds what the token carries against what was sent along. A token that was bound to a nonce is of no use without it.
func (v *Verifier) isNonce(carried, sent string) bool {
	if v.hashed && sent != "" {
		sum := sha256.Sum256([]byte(sent))
		sent, carried = hex.EncodeToString(sum[:]), strings.ToLower(carried)
	}
	return subtle.ConstantTimeCompare([]byte(carried), []byte(sent)) == 1
}

func errNotAnIDToken(why string) error {
	return &core.Error{Code: core.Unauthenticated, Field: "id_token", Message: why}
}
