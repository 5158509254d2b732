package rest

import (
	"net/http"
	"slices"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
)

// healthz says that the process answers, and nothing about its stores.
func (s *server) healthz(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
	s.reply(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz is for load balancers: 200 or 503, and with its reasons where only our own people ask.
func (s *server) readyz(withReasons bool) httprouter.Handle {
	type answer struct {
		Status string `json:"status"`
		Parts  []Part `json:"parts,omitempty"`
	}
	return func(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
		ready := s.deps.Readiness.Ready(r.Context())
		body, status := answer{Status: "ready"}, http.StatusOK
		switch {
		case !ready.OK:
			body.Status, status = "not ready", http.StatusServiceUnavailable
		case slices.ContainsFunc(ready.Parts, func(p Part) bool { return !p.OK }):
			body.Status = "degraded" // and to be sent traffic all the same: what is out is out for all instances
		}
		if withReasons {
			body.Parts = ready.Parts
		}
		s.reply(w, r, status, body)
	}
}

func (s *server) packages(w http.ResponseWriter, r *http.Request, _ core.Principal) {
	type item struct {
		ID      core.PackageID `json:"id"`
		Name    string         `json:"name"`
		Minutes int            `json:"duration_minutes"`
		Price   int64          `json:"price"`
	}
	onSale, err := s.deps.Catalogue.Packages(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items := make([]item, 0, len(onSale))
	for _, p := range onSale {
		items = append(items, item{ID: p.ID, Name: p.Name, Minutes: p.Minutes, Price: p.Price})
	}
	s.reply(w, r, http.StatusOK, map[string]any{"items": items})
}

// seedMitra makes a mitra that a test can sign in as at once.
func (s *server) seedMitra(w http.ResponseWriter, r *http.Request, _ httprouter.Params) {
	var body struct {
		Phone       string `json:"phone"`
		DisplayName string `json:"display_name"`
	}
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	tokens, err := s.deps.TestAccounts.SeedMitra(r.Context(), body.Phone, body.DisplayName, device(r))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusOK, struct {
		Mitra        user   `json:"mitra"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}{userOf(tokens.Account), tokens.Access, tokens.Refresh})
}
