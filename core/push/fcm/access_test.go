package fcm_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core/push"
	"github.com/halobestie/bestie-gateway/core/push/fcm"
)

func TestAccess_OneTokenForACrowd(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	sender := g.sender()
	var crowd sync.WaitGroup
	for range 30 {
		crowd.Go(func() {
			if err := sender.Send(t.Context(), offerTo(push.Android)); err != nil {
				t.Error(err)
			}
		})
	}
	crowd.Wait()
	require.Equal(t, 1, g.tokens())
	require.Len(t, g.messages(), 30)
}

func TestAccess_RenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	sender, began := g.sender(), time.Now()
	for _, step := range []struct {
		after  time.Duration
		tokens int
	}{{0, 1}, {57 * time.Minute, 1}, {58 * time.Minute, 2}, {100 * time.Minute, 2}, {5 * time.Hour, 3}} {
		g.change(func() { g.now = func() time.Time { return began.Add(step.after) } })
		require.NoError(t, sender.Send(t.Context(), offerTo(push.Android)))
		require.Equal(t, step.tokens, g.tokens(), step.after)
	}
}

func TestAccess_RefusedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	sender := g.sender()
	require.NoError(t, sender.Send(t.Context(), offerTo(push.Android)))
	g.change(func() { g.asked = 7 }) // what was given out is not accepted any more
	err := sender.Send(t.Context(), offerTo(push.Android))
	require.ErrorContains(t, err, "401")
	require.NotErrorIs(t, err, push.ErrDeadToken)
	require.NoError(t, sender.Send(t.Context(), offerTo(push.Android)))
	require.Equal(t, 8, g.tokens())
}

func TestAccess_FailingEndpoint(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]http.HandlerFunc{
		"500":           answer(500, `oops`),
		"garbage":       answer(200, `<html>`),
		"no token":      answer(200, `{"token_type":"Bearer","expires_in":3599}`),
		"no life":       answer(200, `{"access_token":"access-1"}`),
		"invalid grant": answer(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`),
		"hang-up":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoogle(t)
			g.grant = failing
			now := time.Now()
			g.now = func() time.Time { return now }
			sender := g.sender()
			for range 3 {
				err := sender.Send(t.Context(), offerTo(push.Android))
				require.ErrorContains(t, err, "access token")
				require.NotErrorIs(t, err, push.ErrDeadToken)
				require.False(t, errors.As(err, new(*push.RefusedError)), "it is tried again")
			}
			require.Equal(t, 1, g.tokens(), "those who come at the same time do not ask one after the other")
			require.Empty(t, g.messages())

			g.change(func() {
				g.grant = nil
				g.now = func() time.Time { return now.Add(2 * time.Second) }
			})
			require.NoError(t, sender.Send(t.Context(), offerTo(push.Android)))
		})
	}
}

func TestAccess_WhoWaitsForATokenLeavesInTime(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	asking, release := make(chan struct{}), make(chan struct{})
	g.grant = func(w http.ResponseWriter, r *http.Request) {
		close(asking)
		<-release
		answer(200, `{"access_token":"access-1","expires_in":3599}`)(w, r)
	}
	sender := g.sender()
	var first sync.WaitGroup
	first.Go(func() {
		if err := sender.Send(t.Context(), offerTo(push.Android)); err != nil {
			t.Error(err)
		}
	})
	<-asking
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sender.Send(ctx, offerTo(push.Android)), context.Canceled)
	close(release)
	first.Wait()
}

func TestAccess_OfTheMachine(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	require.NoError(t, g.senderOf(fcm.Config{ProjectID: "halo"}).Send(t.Context(), offerTo(push.Web)))
	require.Equal(t, 1, g.tokens())
}

func TestNew_Mistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  fcm.Config
		want string
	}{
		"no project":      {fcm.Config{}, "project"},
		"not JSON":        {fcm.Config{Credentials: []byte("hunter2")}, "not JSON"},
		"another kind":    {fcm.Config{Credentials: []byte(`{"type":"authorized_user","client_email":"a@b"}`)}, "service account"},
		"no key":          {fcm.Config{Credentials: []byte(`{"type":"service_account","client_email":"a@b","private_key":"hunter2"}`)}, "no RSA key"},
		"only the e-mail": {fcm.Config{Credentials: []byte(`{"type":"service_account"}`)}, "service account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := fcm.New(c.cfg, time.Now)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}
