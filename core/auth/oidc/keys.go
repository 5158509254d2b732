package oidc

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

const (
	maxKeySet  = 64 << 10 // bytes of a key set; those of the providers have two or three
	keyTimeout = 5 * time.Second

	defaultFresh = time.Hour        // without a Cache-Control
	leastFresh   = time.Minute      // whatever it says
	mostFresh    = 24 * time.Hour   //
	believed     = 24 * time.Hour   // how much longer keys are believed while nobody can be asked
	betweenLooks = 30 * time.Second // however many keys are not known
	afterFailure = 10 * time.Second
)

var errUnknownKey = errors.New("no such key")

// keySet is the public keys of one provider (RFC 7517), as fresh as its Cache-Control wants:
//
//	key is known, set is fresh ─► it
//	else ─► one look for all who wait, at most one in 30 s (10 s after a failure)
//	           ├► the new set replaces the old: a key that is gone is gone
//	           └► failed: the old set is believed a day beyond its time
//
// Whoever holds a known key does not wait while somebody else looks. One set a provider: its keys vouch for nobody else's tokens.
type keySet struct {
	url    string
	client *http.Client
	clock  core.Clock

	mu     sync.Mutex
	keys   map[string]*rsa.PublicKey
	fresh  time.Time     // until then nobody needs to look
	until  time.Time     // until then the keys are believed
	next   time.Time     // until then nobody may look
	flight chan struct{} // closed when the look that is under way has ended; nil: none is
}

// key gives the key of that name. errUnknownKey when the provider does not have it, UNAVAILABLE when it cannot be asked.
func (s *keySet) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	key, now := s.keys[kid], s.clock()
	switch {
	case key != nil && now.Before(s.fresh), now.Before(s.next), key != nil && s.flight != nil && now.Before(s.until):
		defer s.mu.Unlock()
		return s.judge(kid, now)
	case s.flight != nil:
		flight := s.flight
		s.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, core.Wrap(core.Unavailable, ctx.Err())
		}
	default:
		s.flight = make(chan struct{})
		s.mu.Unlock()
		s.look(context.WithoutCancel(ctx)) // others wait for it, too
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(kid, s.clock())
}

// judge answers from what is there. Under mu.
func (s *keySet) judge(kid string, now time.Time) (*rsa.PublicKey, error) {
	if !now.Before(s.until) {
		return nil, core.Errorf(core.Unavailable, "the provider's keys cannot be had")
	}
	if key := s.keys[kid]; key != nil {
		return key, nil
	}
	return nil, errUnknownKey
}

// look fetches the set and ends the flight.
func (s *keySet) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	keys, fresh, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if err == nil {
		s.keys, s.fresh, s.until, s.next = keys, now.Add(fresh), now.Add(fresh+believed), now.Add(betweenLooks)
	} else {
		s.next = now.Add(afterFailure)
	}
	close(s.flight)
	s.flight = nil
}

func (s *keySet) fetch(ctx context.Context) (map[string]*rsa.PublicKey, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, 0, err
	case response.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("key set: answer %d", response.StatusCode)
	case len(text) > maxKeySet:
		return nil, 0, errors.New("key set: too large")
	}
	keys, err := parseKeys(text)
	return keys, freshness(response.Header.Get("Cache-Control")), err
}

// freshness is how long an answer may be kept.
func freshness(cacheControl string) time.Duration {
	fresh := defaultFresh
	for directive := range strings.SplitSeq(strings.ToLower(cacheControl), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return leastFresh
		case "max-age":
			if seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				fresh = time.Duration(seconds) * time.Second
			}
		}
	}
	return min(max(fresh, leastFresh), mostFresh)
}

// parseKeys picks the RSA signing keys out of a set. One that has none is no set.
func parseKeys(text []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct {
			Type string `json:"kty"`
			ID   string `json:"kid"`
			Use  string `json:"use"`
			Alg  string `json:"alg"`
			N    string `json:"n"`
			E    string `json:"e"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		if k.Type != "RSA" || k.ID == "" || (k.Use != "" && k.Use != "sig") || (k.Alg != "" && k.Alg != "RS256") {
			continue
		}
		n, errN := base64.RawURLEncoding.DecodeString(strings.TrimRight(k.N, "="))
		e, errE := base64.RawURLEncoding.DecodeString(strings.TrimRight(k.E, "="))
		if errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
			continue
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 || key.E < 3 || key.E%2 == 0 {
			continue
		}
		keys[k.ID] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("key set: no RSA key in it")
	}
	return keys, nil
}
