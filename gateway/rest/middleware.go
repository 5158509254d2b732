package rest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core/auth"
)

// contextKey keys what a request carries along.
type contextKey struct{}

// request is what is known of a request before its handler runs.
type request struct {
	id   string
	from netip.Addr // the client's address, behind trusted proxies too
}

func requestOf(ctx context.Context) request {
	r, _ := ctx.Value(contextKey{}).(request)
	return r
}

func requestID(ctx context.Context) string { return requestOf(ctx).id }

// device tells core/auth where a request comes from.
func device(r *http.Request) auth.Device {
	agent := strings.ToValidUTF8(strings.ReplaceAll(r.UserAgent(), "\x00", ""), "")
	if len(agent) > maxAgent {
		agent = strings.ToValidUTF8(agent[:maxAgent], "")
	}
	return auth.Device{IP: requestOf(r.Context()).from, UserAgent: agent}
}

const (
	maxAgent     = 256
	maxRequestID = 64
)

// outermost gives a request its id and its address, catches panics, and writes the access log.
func (s *server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.clock()
		info := request{id: givenID(r.Header.Get("X-Request-Id")), from: s.clientAddr(r)}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, info))
		answer := &recorder{ResponseWriter: w}
		answer.Header().Set("X-Request-Id", info.id)
		defer func() {
			if p := recover(); p != nil {
				s.panicked(answer, r, p)
			}
			s.log.DebugContext(r.Context(), "request", "request_id", info.id, "method", r.Method, "path", r.URL.Path,
				"status", answer.status, "took", s.clock().Sub(started), "from", info.from.String())
		}()
		next.ServeHTTP(answer, r)
	})
}

// panicked answers INTERNAL if nothing was answered yet; fail logs it once. net/http's own way to abort stays one.
func (s *server) panicked(w *recorder, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	if w.status != 0 {
		s.log.ErrorContext(r.Context(), "request failed after its answer began", "request_id", requestID(r.Context()), "error", err)
		return
	}
	s.fail(w, r, err)
}

// clientAddr is who sent a request: the peer, or, when that is a proxy of ours, the last address in X-Forwarded-For that is not one.
// Whatever a client wrote there itself stands further left and is never looked at.
func (s *server) clientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := peer.Addr().Unmap()
	if !s.trusts(from) {
		return from
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(forwarded) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return from
		}
		from = addr.Unmap()
		if !s.trusts(from) {
			return from
		}
	}
	return from
}

func (s *server) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(s.trusted, func(proxy netip.Prefix) bool { return proxy.Contains(addr) })
}

// givenID keeps a request id that came along, if it is one, so that a proxy's log and ours can be laid together.
func givenID(id string) string {
	ok := id != "" && len(id) <= maxRequestID && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	})
	if ok {
		return id
	}
	return rand.Text()
}

// recorder remembers whether and how a request was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// millis is a time as REST tells it: Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
