package push_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
)

func TestMessage_EveryKindIsShownAndSaysNothingMore(t *testing.T) {
	t.Parallel()
	user, offer, session := core.NewID[core.UserID](), core.NewID[core.OfferID](), core.NewID[core.SessionID]()
	expires := time.UnixMilli(1767582030000)
	titles := map[string]push.Kind{}
	for _, kind := range []push.Kind{push.Offer, push.PaymentDue, push.SessionStarted, push.SessionEnded, push.SearchEnded, push.SetOffline} {
		p := push.Push{Kind: kind, UserID: user, Token: "t", Platform: push.IOS, ExpiresAt: expires, Left: time.Minute}
		want := map[string]string{"type": string(kind)}
		switch kind {
		case push.Offer:
			p.OfferID = offer
			want["offer_id"], want["expires_at"] = offer.String(), "1767582030000"
		case push.SetOffline:
		default:
			p.SessionID = session
			want["session_id"] = session.String()
		}
		m := p.Message()
		require.NotEmpty(t, m.Title, kind)
		require.NotEmpty(t, m.Body, kind)
		require.NotEmpty(t, m.Channel, kind)
		require.Empty(t, titles[m.Title], "two kinds look the same")
		titles[m.Title] = kind
		require.Equal(t, want, m.Data)
		require.NotEmpty(t, m.Collapse)
		require.LessOrEqual(t, len(m.Collapse), 64, "Apple's limit")
		require.Equal(t, "t", m.Token)
		require.Equal(t, push.IOS, m.Platform)
		require.Equal(t, time.Minute, m.TTL)
		require.Equal(t, expires, m.ExpiresAt)
	}
}

func TestMessage_WhatReplacesWhat(t *testing.T) {
	t.Parallel()
	session := core.NewID[core.SessionID]()
	collapse := func(p push.Push) string { return p.Message().Collapse }
	started := collapse(push.Push{Kind: push.SessionStarted, SessionID: session})
	require.Equal(t, started, collapse(push.Push{Kind: push.SessionEnded, SessionID: session}), "the end of a session replaces its start")
	one := push.Push{Kind: push.Offer, OfferID: core.NewID[core.OfferID]()}
	require.Equal(t, collapse(one), collapse(one))
	require.NotEqual(t, collapse(one), collapse(push.Push{Kind: push.Offer, OfferID: core.NewID[core.OfferID]()}), "an offer never replaces another")
}
