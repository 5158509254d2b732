package fcm_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/push"
)

var (
	offerID = core.MustParseID[core.OfferID]("018f0000-0000-7000-8000-000000000001")
	expires = time.UnixMilli(1767582030500)
)

// offerTo is the push of an offer with 13.4 seconds to live.
func offerTo(platform push.Platform) push.Message {
	return push.Push{
		Kind: push.Offer, OfferID: offerID, Token: "device", Platform: platform, ExpiresAt: expires, Left: 13400 * time.Millisecond,
	}.Message()
}

func sessionEnd(platform push.Platform) push.Message {
	return push.Push{
		Kind: push.SessionEnded, SessionID: core.MustParseID[core.SessionID]("018f0000-0000-7000-8000-000000000002"),
		Token: "device", Platform: platform, ExpiresAt: expires, Left: push.Life,
	}.Message()
}

const (
	offerBase = `"token": "device", "notification": {"title": "Ada yang mau curhat", "body": "Ketuk untuk menerima"},
		"data": {"type": "offer", "offer_id": "018f0000-0000-7000-8000-000000000001", "expires_at": "1767582030500"}`
	endBase = `"token": "device", "notification": {"title": "Sesi selesai", "body": "Ketuk untuk membuka aplikasi"},
		"data": {"type": "session_ended", "session_id": "018f0000-0000-7000-8000-000000000002"}`
)

func TestSend_Form(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message push.Message
		want    string
	}{
		"offer, Android": {offerTo(push.Android), `{` + offerBase + `, "android": {"priority": "high", "ttl": "13s",
			"collapse_key": "offer-018f0000-0000-7000-8000-000000000001",
			"notification": {"channel_id": "offers", "tag": "offer-018f0000-0000-7000-8000-000000000001"}}}`},
		"offer, iOS": {offerTo(push.IOS), `{` + offerBase + `, "apns": {
			"headers": {"apns-priority": "10", "apns-push-type": "alert", "apns-expiration": "1767582030",
				"apns-collapse-id": "offer-018f0000-0000-7000-8000-000000000001"},
			"payload": {"aps": {"sound": "default", "interruption-level": "time-sensitive", "thread-id": "offers"}}}}`},
		"offer, web": {offerTo(push.Web), `{` + offerBase + `, "webpush": {"headers": {"TTL": "13", "Urgency": "high"},
			"notification": {"tag": "offer-018f0000-0000-7000-8000-000000000001"}}}`},
		"end, Android": {sessionEnd(push.Android), `{` + endBase + `, "android": {"priority": "normal", "ttl": "43200s",
			"collapse_key": "session-018f0000-0000-7000-8000-000000000002",
			"notification": {"channel_id": "sessions", "tag": "session-018f0000-0000-7000-8000-000000000002"}}}`},
		"end, iOS": {sessionEnd(push.IOS), `{` + endBase + `, "apns": {
			"headers": {"apns-priority": "5", "apns-push-type": "alert", "apns-expiration": "1767582030",
				"apns-collapse-id": "session-018f0000-0000-7000-8000-000000000002"},
			"payload": {"aps": {"interruption-level": "active", "thread-id": "sessions"}}}}`},
		"end, web": {sessionEnd(push.Web), `{` + endBase + `, "webpush": {"headers": {"TTL": "43200", "Urgency": "normal"},
			"notification": {"tag": "session-018f0000-0000-7000-8000-000000000002"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoogle(t)
			require.NoError(t, g.sender().Send(t.Context(), c.message))
			sent, err := json.Marshal(g.messages()[0])
			require.NoError(t, err)
			require.JSONEq(t, `{"message": `+c.want+`}`, string(sent))
		})
	}
}

func TestSend_Answers(t *testing.T) {
	t.Parallel()
	type want struct {
		dead    bool
		refused string        // its reason
		busy    time.Duration // -1: a BusyError without a time; 0: none
	}
	busyFor := func(d time.Duration) want { return want{busy: d} }
	later := want{}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   want
	}{
		"UNREGISTERED":       {fault(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."), want{dead: true}},
		"SENDER_ID_MISMATCH": {fault(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"), want{dead: true, refused: "SENDER_ID_MISMATCH"}},
		"INVALID_ARGUMENT, the token by name": {answer(400, `{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT","details":[
			{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.token","description":"Invalid registration token"}]},
			{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"INVALID_ARGUMENT"}]}}`), want{dead: true}},
		"INVALID_ARGUMENT, the token by message": {
			fault(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"), want{dead: true},
		},
		"INVALID_ARGUMENT, our message": {answer(400, `{"error":{"code":400,"message":"Invalid value at 'message.android.ttl'","status":"INVALID_ARGUMENT","details":[
			{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.android.ttl"}]}]}}`), want{refused: "INVALID_ARGUMENT"}},
		"THIRD_PARTY_AUTH_ERROR": {
			fault(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Auth error from APNS or Web Push Service"), want{refused: "THIRD_PARTY_AUTH_ERROR"},
		},
		"no permission":                   {answer(403, `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}`), want{refused: "PERMISSION_DENIED"}},
		"no such project":                 {answer(404, `{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}`), want{refused: "NOT_FOUND"}},
		"refused by something else":       {answer(405, `<html>405</html>`), want{refused: "405"}},
		"QUOTA_EXCEEDED":                  {fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded"), busyFor(time.Minute)},
		"QUOTA_EXCEEDED with Retry-After": {fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota", "Retry-After", "97"), busyFor(97 * time.Second)},
		"UNAVAILABLE":                     {fault(503, "UNAVAILABLE", "UNAVAILABLE", "down"), busyFor(-1)},
		"UNAVAILABLE with a date": {fault(503, "UNAVAILABLE", "UNAVAILABLE", "down",
			"Date", "Sun, 22 Nov 2026 13:00:00 GMT", "Retry-After", "Sun, 22 Nov 2026 13:00:30 GMT"), busyFor(30 * time.Second)},
		"UNAVAILABLE for a year":   {fault(503, "UNAVAILABLE", "UNAVAILABLE", "down", "Retry-After", "31536000"), busyFor(time.Hour)},
		"UNAVAILABLE since before": {fault(503, "UNAVAILABLE", "UNAVAILABLE", "down", "Retry-After", "-5"), busyFor(-1)},
		"INTERNAL":                 {fault(500, "INTERNAL", "INTERNAL", "oops"), busyFor(-1)},
		"502 of a proxy":           {answer(502, `<html><h1>502 Bad Gateway</h1></html>`), busyFor(-1)},
		"200 and garbage":          {answer(200, `<html>please sign in to this network</html>`), later},
		"200 and nothing":          {answer(200, `{}`), later},
		"a redirect":               {answer(302, ``, "Location", "http://127.0.0.1:1/"), later},
		"a cut answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"name`))
		}, later},
		"a hang-up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, later},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoogle(t)
			g.send = c.answer
			err := g.sender().Send(t.Context(), offerTo(push.Android))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "access-1", "no access token in an error")
			require.Equal(t, c.want.dead, errors.Is(err, push.ErrDeadToken), "%v", err)
			var refused *push.RefusedError
			var busy *push.BusyError
			switch {
			case c.want.refused != "":
				require.ErrorAs(t, err, &refused)
				require.Equal(t, c.want.refused, refused.Reason)
			case c.want.busy != 0:
				require.ErrorAs(t, err, &busy)
				require.Equal(t, max(c.want.busy, 0), busy.After)
			default:
				require.False(t, errors.As(err, &refused) || errors.As(err, &busy), "%v", err)
			}
		})
	}
}

func TestSend_ASlowServerIsLeft(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	arrived := make(chan struct{})
	g.send = func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // says nothing until its caller has gone
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := g.sender().Send(ctx, offerTo(push.Android))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, push.ErrDeadToken)
}
