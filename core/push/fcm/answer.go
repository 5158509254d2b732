package fcm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core/push"
)

// quotaPause is how long FCM wants to be left alone when it does not say.
const quotaPause = time.Minute

// longestPause bounds what a Retry-After is believed.
const longestPause = time.Hour

// errAccess says that FCM did not accept the access token.
var errAccess = errors.New("FCM does not accept the access token")

// answer is FCM's, of either kind: {"name": …} or {"error": {…}}.
type answer struct {
	Name  string `json:"name"`
	Error *fault `json:"error"`
}

type fault struct {
	Message string   `json:"message"`
	Status  string   `json:"status"`
	Details []detail `json:"details"`
}

type detail struct {
	Type            string      `json:"@type"`
	ErrorCode       string      `json:"errorCode"`
	FieldViolations []violation `json:"fieldViolations"`
}

type violation struct {
	Field string `json:"field"`
}

// code is FCM's own word for the fault; where it gives none, Google's general one, else the HTTP status.
func (f *fault) code(status int) string {
	for _, d := range f.Details {
		if strings.HasSuffix(d.Type, "/google.firebase.fcm.v1.FcmError") && d.ErrorCode != "" {
			return d.ErrorCode
		}
	}
	if f.Status != "" {
		return f.Status
	}
	return strconv.Itoa(status)
}

// blamesToken tells whether the fault is in the token and not in the rest of the message.
func (f *fault) blamesToken() bool {
	for _, d := range f.Details {
		for _, v := range d.FieldViolations {
			if v.Field == "message.token" {
				return true
			}
		}
	}
	return strings.Contains(strings.ToLower(f.Message), "registration token")
}

// verdict says what an answer means, as the package comment has it.
func verdict(resp *http.Response, body []byte) error {
	var a answer
	err := json.Unmarshal(body, &a)
	if resp.StatusCode == http.StatusOK {
		if err != nil || a.Name == "" {
			return errors.New("200 without a message's name: not FCM's answer")
		}
		return nil
	}
	f := a.Error
	if err != nil || f == nil {
		f = &fault{Message: "not FCM's answer"} // a proxy's, or Google's front
	}
	code := f.code(resp.StatusCode)
	cause := fmt.Errorf("FCM: %s: %s (%s)", resp.Status, code, f.Message)
	switch status := resp.StatusCode; {
	case code == "UNREGISTERED", code == "INVALID_ARGUMENT" && f.blamesToken():
		return fmt.Errorf("%w: %w", push.ErrDeadToken, cause)
	case code == "SENDER_ID_MISMATCH": // an app of another project; if it is many, we are the other project
		return &push.RefusedError{Reason: code, Err: fmt.Errorf("%w: %w", push.ErrDeadToken, cause)}
	case status == http.StatusUnauthorized && code != "THIRD_PARTY_AUTH_ERROR":
		return fmt.Errorf("%w: %w", errAccess, cause)
	case status == http.StatusTooManyRequests:
		return &push.BusyError{After: retryAfter(resp, quotaPause), Err: cause}
	case status >= 500:
		return &push.BusyError{After: retryAfter(resp, 0), Err: cause}
	case status == http.StatusRequestTimeout, status < 400:
		return cause
	default:
		return &push.RefusedError{Reason: code, Err: cause}
	}
}

// retryAfter reads the header: seconds, or a date, which is read against the answer's own.
func retryAfter(resp *http.Response, unsaid time.Duration) time.Duration {
	header := resp.Header.Get("Retry-After")
	pause := unsaid
	if seconds, err := strconv.Atoi(header); err == nil {
		pause = time.Duration(min(max(seconds, 0), int(longestPause/time.Second))) * time.Second
	} else if until, err := http.ParseTime(header); err == nil {
		if now, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			pause = until.Sub(now)
		}
	}
	return min(max(pause, 0), longestPause)
}
