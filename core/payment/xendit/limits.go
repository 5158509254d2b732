package xendit

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// endpoint is what Xendit counts calls of, for the whole account: 60 a minute with a test key, 600 with a live one.
type endpoint struct{ method, path string }

var (
	postSession   = endpoint{http.MethodPost, "/sessions"}
	getSession    = endpoint{http.MethodGet, "/sessions/{id}"}
	cancelSession = endpoint{http.MethodPost, "/sessions/{id}/cancel"}
	postRefund    = endpoint{http.MethodPost, "/refunds"}
	getRefund     = endpoint{http.MethodGet, "/refunds/{id}"}
)

// longestPause bounds how long an endpoint is left alone because of one answer.
const longestPause = 5 * time.Minute

// limits knows which endpoints are used up, and until when: whoever asks on is refused on.
type limits struct {
	mu    sync.Mutex
	until map[endpoint]time.Time
}

func (l *limits) reached(e endpoint, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = make(map[endpoint]time.Time)
	}
	l.until[e] = until
}

// left is for how long an endpoint must not be called yet.
func (l *limits) left(e endpoint, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until[e].Sub(now)
}

// pause is how long a 429 asks to stay away.
func pause(header http.Header) time.Duration {
	for _, name := range []string{"Retry-After", "Rate-Limit-Reset"} {
		if seconds, err := strconv.ParseFloat(header.Get(name), 64); err == nil && seconds > 0 {
			return time.Duration(min(seconds, longestPause.Seconds()) * float64(time.Second))
		}
	}
	return 5 * time.Second
}
