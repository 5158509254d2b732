package auth

import (
	"context"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
)

// maxCredential bounds what an app may send of a provider's.
const maxCredential = 16 << 10

// Claim is what a provider's ID token proves.
type Claim struct {
	Subject  string // who it is, at that provider, for ever
	Email    string // as the provider verified it; empty: none
	Audience string // the client of ours that it was issued for
}

// TokenProof is what an app sends back from Google or Apple.
type TokenProof struct {
	Kind    IdentityKind // ByGoogle or ByApple
	IDToken string
	Nonce   string // as the app made it; empty: none
	Code    string // Apple's authorization code; empty: none
	Device  Device
	// Link is the customer whose account the identity is to be added to; nil signs in.
	Link *core.Principal
}

// SignInWith signs a customer in by an ID token, or links the identity to the customer who asks and keeps that auth session.
// UNAUTHENTICATED about id_token, nonce or authorization_code; BAD_MESSAGE; NOT_FOUND when the provider is not set up here; when linking
// IDENTITY_IN_USE, CONFLICT, FORBIDDEN for a principal that is no customer; ACCOUNT_INACTIVE, OVERLOADED, UNAVAILABLE.
func (s *Service) SignInWith(ctx context.Context, proof TokenProof) (Tokens, error) {
	provider := s.deps.Google
	if proof.Kind == ByApple {
		provider = s.deps.Apple
	}
	switch {
	case provider == nil:
		return Tokens{}, core.Errorf(core.NotFound, "signing in with %s is not set up here", proof.Kind)
	case proof.IDToken == "":
		return Tokens{}, core.FieldError("id_token", "is missing")
	case max(len(proof.IDToken), len(proof.Nonce), len(proof.Code)) > maxCredential:
		return Tokens{}, core.Errorf(core.BadMessage, "longer than anything that a provider gives")
	case proof.Link != nil && proof.Link.Type != core.Customer:
		return Tokens{}, core.Errorf(core.Forbidden, "only a customer's account takes an identity")
	}
	claim, err := provider.Verify(ctx, proof.IDToken, proof.Nonce)
	if err != nil {
		return Tokens{}, err
	}
	identity := Identity{Kind: proof.Kind, Value: claim.Subject, Email: verifiedEmail(claim)}
	if proof.Kind == ByApple {
		if identity.Apple, err = s.appleToken(ctx, claim, proof.Code); err != nil {
			return Tokens{}, err
		}
	}
	if proof.Link != nil {
		return s.link(ctx, *proof.Link, identity, proof.Device)
	}
	return s.signIn(ctx, core.Customer, identity, proof.Device)
}

// verifiedEmail is the address for display; one that we would not write ourselves is left out.
func verifiedEmail(claim Claim) string {
	address, err := NormalizeEmail(claim.Email)
	if err != nil || strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return address
}

// appleToken exchanges an authorization code for the refresh token that Apple wants revoked one day. A code that Apple refuses, or that
// is somebody else's, is refused here; but the ID token has proved who it is already, so nobody is kept out because Apple's other
// route is slow or down.
func (s *Service) appleToken(ctx context.Context, claim Claim, code string) (*SealedToken, error) {
	if code == "" || s.deps.Grants == nil {
		return nil, nil
	}
	refresh, err := s.deps.Grants.Exchange(ctx, claim.Audience, code, claim.Subject)
	switch core.CodeOf(err) {
	case "":
	case core.NotFound: // no key: nothing is exchanged here
		return nil, nil
	case core.Unauthenticated:
		s.stats.appleFailed.Add(1)
		return nil, err
	default:
		s.stats.appleFailed.Add(1)
		s.deps.Log.ErrorContext(ctx, "an authorization code of Apple's could not be exchanged; its token will not be revoked when the account is deleted", "error", err)
		return nil, nil
	}
	sealed, err := s.seal(claim.Audience, refresh)
	return &sealed, err
}
