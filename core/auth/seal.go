package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	revokeEvery = time.Minute
	revokeBatch = 20
	maxRevokes  = 24 // tries, a minute apart and then ever more: some four days
	resealBatch = 200
)

// SealedToken is a refresh token of Apple's as it is stored: encrypted (AES-256-GCM) with a key derived from the secret that KeyID names,
// and bound to the client that it was issued to.
type SealedToken struct {
	Customer core.CustomerID // zero until it is stored
	Client   string
	KeyID    string
	Sealed   []byte
	Tries    int // so many times it was to be revoked
}

func (k keys) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.seal)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *Service) seal(client, token string) (SealedToken, error) {
	k := s.keys[0]
	aead, err := k.aead()
	if err != nil {
		return SealedToken{}, core.Wrap(core.Internal, fmt.Errorf("seal: %w", err))
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(token)+aead.Overhead())
	rand.Read(nonce) // never fails (crypto/rand)
	return SealedToken{Client: client, KeyID: k.id, Sealed: aead.Seal(nonce, nonce, []byte(token), []byte(client))}, nil
}

// unseal gives the token back. It fails when the key is gone: AUTH_JWT_SECRET was changed twice while nobody resealed.
func (s *Service) unseal(t SealedToken) (string, error) {
	for _, k := range s.keys {
		if k.id != t.KeyID {
			continue
		}
		aead, err := k.aead()
		if err != nil {
			return "", err
		}
		if len(t.Sealed) < aead.NonceSize() {
			return "", errors.New("sealed token: too short")
		}
		token, err := aead.Open(nil, t.Sealed[:aead.NonceSize()], t.Sealed[aead.NonceSize():], []byte(t.Client))
		if err != nil {
			return "", errors.New("sealed token: was changed")
		}
		return string(token), nil
	}
	return "", errors.New("sealed token: its key is gone")
}

// keepApple seals what an older secret sealed anew, and then revokes the tokens of deleted accounts until ctx ends: soon after a
// deletion, and again while Apple does not answer. Any number of instances may do so at once.
func (s *Service) keepApple(ctx context.Context) {
	if s.deps.Grants == nil {
		return
	}
	resealed := core.Outage{Log: s.deps.Log, What: "resealing Apple's tokens"}
	revoked := core.Outage{Log: s.deps.Log, What: "revoking Apple's tokens of deleted accounts"}
	tick := time.NewTicker(revokeEvery)
	defer tick.Stop()
	current := len(s.keys) == 1 // nothing is sealed with a secret that is not there
	for {
		if !current {
			current = resealed.Note(ctx, s.reseal(ctx)) == nil
		}
		_ = revoked.Note(ctx, s.revokeOrphans(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.orphaned:
		}
	}
}

// reseal follows a rotation of the secret, so that the previous one can go.
func (s *Service) reseal(ctx context.Context) error {
	var after core.CustomerID
	for {
		found, err := s.deps.AppleTokens.SealedOtherwise(ctx, s.keys[0].id, after, resealBatch)
		if err != nil || len(found) == 0 {
			return err
		}
		for _, old := range found {
			after = old.Customer
			token, err := s.unseal(old)
			if err != nil {
				continue // told when it is needed
			}
			renewed, err := s.seal(old.Client, token)
			if err != nil {
				return err
			}
			if err := s.deps.AppleTokens.Reseal(ctx, old, renewed); err != nil {
				return err
			}
		}
	}
}

// revokeOrphans tells Apple of deleted accounts. Whoever claims one has until its next try to do so.
func (s *Service) revokeOrphans(ctx context.Context) error {
	orphans, err := s.deps.AppleTokens.Orphans(ctx, revokeBatch)
	if err != nil {
		return err
	}
	var failed error
	for _, orphan := range orphans {
		token, err := s.unseal(orphan)
		if err == nil {
			err = s.deps.Grants.Revoke(ctx, orphan.Client, token)
			if err != nil && orphan.Tries < maxRevokes {
				failed = err
				continue // it is due again
			}
		}
		if err != nil {
			s.deps.Log.ErrorContext(ctx, "a deleted account's token of Apple's is given up: it was not revoked", "customer", orphan.Customer.String(), "error", err)
		}
		if err := s.deps.AppleTokens.Forget(ctx, orphan.Customer); err != nil {
			return err
		}
	}
	return failed
}
