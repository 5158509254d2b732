package oidc_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestKeys_Rotate(t *testing.T) {
	t.Parallel()
	p := start(t)
	v := p.google("app")
	verify := func(kid string) error {
		_, err := v.Verify(t.Context(), p.token(t, kid, nil), "")
		return err
	}
	require.NoError(t, verify("a"))
	p.set(func() { p.keys["b"] = rsaKeys()[1] })
	requireRefused(t, "id_token", verify("b")) // it has just looked
	p.wait(30 * time.Second)
	require.NoError(t, verify("b"), "an unknown key makes it look")
	require.EqualValues(t, 2, p.looks.Load())

	p.set(func() { delete(p.keys, "a") })
	old := func() error {
		p.set(func() { p.keys["a"] = rsaKeys()[0] })
		token := p.token(t, "a", nil)
		p.set(func() { delete(p.keys, "a") })
		_, err := v.Verify(t.Context(), token, "")
		return err
	}
	require.NoError(t, old(), "within its hour")
	p.wait(time.Hour)
	requireRefused(t, "id_token", old())
	require.EqualValues(t, 3, p.looks.Load())
	require.NoError(t, verify("b"))
}

func TestKeys_CacheControl(t *testing.T) {
	t.Parallel()
	for control, fresh := range map[string]time.Duration{
		"public, max-age=600, must-revalidate": 10 * time.Minute, "max-age=0": time.Minute, "no-store": time.Minute, "no-cache, max-age=600": time.Minute,
		"": time.Hour, "max-age=x": time.Hour, "max-age=99999999": 24 * time.Hour, "max-age=-5": time.Minute, `MAX-AGE="120"`: 2 * time.Minute,
	} {
		t.Run(control, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.control = control
			v := p.google("app")
			for range 2 {
				_, err := v.Verify(t.Context(), p.token(t, "a", nil), "")
				require.NoError(t, err)
			}
			p.wait(fresh - time.Second)
			_, err := v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.NoError(t, err)
			require.EqualValues(t, 1, p.looks.Load())
			p.wait(time.Second)
			_, err = v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.NoError(t, err)
			require.EqualValues(t, 2, p.looks.Load())
		})
	}
}

// A hundred at once who need the keys share one look, and none of those who know theirs waits for a slow one.
func TestKeys_OneLookForAll(t *testing.T) {
	t.Parallel()
	p := start(t)
	v := p.google("app")
	token := p.token(t, "a", nil)
	all := func() {
		var waiting sync.WaitGroup
		for range 100 {
			waiting.Go(func() {
				_, err := v.Verify(t.Context(), token, "")
				require.NoError(t, err)
			})
		}
		waiting.Wait()
	}
	all()
	require.EqualValues(t, 1, p.looks.Load())

	p.wait(time.Hour)
	token = p.token(t, "a", nil)
	looking, over := make(chan struct{}), make(chan struct{})
	p.set(func() {
		p.instead = func(w http.ResponseWriter, _ *http.Request) {
			close(looking)
			<-over
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	var first sync.WaitGroup
	first.Go(func() {
		_, err := v.Verify(t.Context(), token, "")
		require.NoError(t, err, "stale keys are good while there are no others")
	})
	<-looking
	all() // while the first one still looks
	close(over)
	first.Wait()
	require.EqualValues(t, 2, p.looks.Load())
}

func TestKeys_Failing(t *testing.T) {
	t.Parallel()
	for name, instead := range map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"a page":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "{")
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		},
		"more than 64 K": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[`+strings.Repeat(" ", 64<<10)+`]}`)
		},
		"keys of no use": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[{"kty":"EC","kid":"a"},{"kty":"RSA","kid":"a","use":"enc","n":"AQAB","e":"AQAB"},{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"},
				{"kty":"RSA","kid":"a","alg":"HS256","n":"AQAB","e":"AQAB"},{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"RSA","kid":"a","n":"!","e":"AQAB"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.instead = instead
			v := p.google("app")
			_, err := v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.Equal(t, core.Unavailable, core.CodeOf(err), "there never were any keys: %v", err)
			_, err = v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.Equal(t, core.Unavailable, core.CodeOf(err))
			require.EqualValues(t, 1, p.looks.Load(), "and it does not ask again at once")

			p.set(func() { p.instead = nil })
			p.wait(10 * time.Second)
			_, err = v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.NoError(t, err)

			p.set(func() { p.instead = instead })
			p.wait(time.Hour)
			_, err = v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.NoError(t, err, "the old keys are good for a day longer")
			p.wait(24 * time.Hour)
			_, err = v.Verify(t.Context(), p.token(t, "a", nil), "")
			require.Equal(t, core.Unavailable, core.CodeOf(err), "and no longer")
		})
	}
}
