package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/halobestie/bestie-gateway/core"
)

type health struct {
	Status string `json:"status" enum:"ok"`
}

// healthz says that the process answers, and nothing about its stores.
func (s *server) healthz(context.Context, *Call, None) (health, error) {
	return health{Status: "ok"}, nil
}

type readyAnswer struct {
	Status string `json:"status" enum:"ready,degraded,not ready"`
	Parts  []Part `json:"parts,omitempty"`
}

// readyz is for load balancers: 200 or 503, and with its reasons where only our own people ask.
func (s *server) readyz(withReasons bool) func(context.Context, *Call, None) (readyAnswer, error) {
	return func(ctx context.Context, c *Call, _ None) (readyAnswer, error) {
		ready := s.deps.Readiness.Ready(ctx)
		answer := readyAnswer{Status: "ready"}
		switch {
		case !ready.OK:
			answer.Status, c.Status = "not ready", http.StatusServiceUnavailable
		case slices.ContainsFunc(ready.Parts, func(p Part) bool { return !p.OK }):
			answer.Status = "degraded" // and to be sent traffic all the same: what is out is out for all instances
		}
		if withReasons {
			answer.Parts = ready.Parts
		}
		return answer, nil
	}
}

type offered struct {
	Items []offeredPackage `json:"items"`
}

type offeredPackage struct {
	ID      core.PackageID `json:"id"`
	Name    string         `json:"name"`
	Minutes int            `json:"duration_minutes"`
	Price   int64          `json:"price"`
}

func (s *server) packages(ctx context.Context, _ *Call, _ None) (offered, error) {
	onSale, err := s.deps.Catalogue.Packages(ctx)
	list := offered{Items: make([]offeredPackage, 0, len(onSale))}
	for _, p := range onSale {
		list.Items = append(list.Items, offeredPackage{ID: p.ID, Name: p.Name, Minutes: p.Minutes, Price: p.Price})
	}
	return list, err
}

type seedRequest struct {
	Phone       string `json:"phone"`
	DisplayName string `json:"display_name"`
}

type seeded struct {
	Mitra        user   `json:"mitra"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// seedMitra makes a mitra that a test can sign in as at once.
func (s *server) seedMitra(ctx context.Context, c *Call, in seedRequest) (seeded, error) {
	tokens, err := s.deps.TestAccounts.SeedMitra(ctx, in.Phone, in.DisplayName, device(c.R))
	return seeded{userOf(tokens.Account), tokens.Access, tokens.Refresh}, err
}
