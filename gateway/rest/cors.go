package rest

import (
	"net/http"
	"net/url"

	"github.com/halobestie/bestie-gateway/core"
)

// What pages of the control center may do from CC_ORIGIN. Browsers ask before (preflight) and remember the answer for a while.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, X-Request-Id"
	corsExposed = "Retry-After, X-Request-Id"
	corsSeconds = "600"
)

// cors lets pages of one foreign origin, exactly that, read our answers and send their cookie. Others get no permission: their
// browser then keeps our answer from them.
func (s *server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		origins := r.Header.Values("Origin")
		if s.ccOrigin == "" || len(origins) != 1 || origins[0] != s.ccOrigin {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Origin", s.ccOrigin)
		header.Set("Access-Control-Allow-Credentials", "true")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			header.Set("Access-Control-Allow-Methods", corsMethods)
			header.Set("Access-Control-Allow-Headers", corsHeaders)
			header.Set("Access-Control-Max-Age", corsSeconds)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		header.Set("Access-Control-Expose-Headers", corsExposed)
		next.ServeHTTP(w, r)
	})
}

// fromOurPages refuses requests that a browser sends for somebody else's page: they would carry our cookie, or plant one. Ours are those of
// CC_ORIGIN and of this very address. A request without Origin is no browser's, or one that Sec-Fetch-Site vouches for. The
// cookie's SameSite=Strict says the same to browsers; this does not rely on it. FORBIDDEN.
func (s *server) fromOurPages(r *http.Request) error {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
			return nil
		}
		return errForeignPage()
	}
	if len(origins) == 1 && origins[0] == s.ccOrigin {
		return nil
	}
	if origin, err := url.Parse(origins[0]); len(origins) > 1 || err != nil || origin.Host == "" || origin.Host != r.Host {
		return errForeignPage()
	}
	return nil
}

func errForeignPage() error {
	return core.Errorf(core.Forbidden, "not from a page of this origin: only from CC_ORIGIN, or from this very address")
}
