package console

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) sessionRoutes() []rest.Route {
	const sessions = "/internal/sessions"
	return []rest.Route{
		rest.On("GET", sessions, rest.Operators, "Sessions, newest first", c.sessions),
		rest.On("GET", sessions+"/:id", rest.Operators, "One session with all that happened to it, and why nobody was found", c.story, core.NotFound),
		rest.On("POST", sessions+"/:id/end", rest.Operators, "End a live session; both sides are told", c.endSession, core.NotFound, core.WrongState),
		rest.On("POST", sessions+"/:id/reroute", rest.Operators, "Look for another mitra for a session that has one; both sides are told",
			c.rerouteSession, core.NotFound, core.WrongState),
	}
}

// session is a chat session as operators see it.
type session struct {
	ID           core.SessionID  `json:"id"`
	Version      int64           `json:"version"`
	Status       string          `json:"status" enum:"searching,pending_payment,active,ended,cancelled,unmatched"`
	CustomerID   core.CustomerID `json:"customer_id"`
	CustomerName string          `json:"customer_name"`
	MitraID      core.MitraID    `json:"mitra_id,omitzero"`
	MitraName    string          `json:"mitra_name,omitzero"`
	PackageID    core.PackageID  `json:"package_id"`
	Minutes      int             `json:"duration_minutes"`
	Price        int64           `json:"price"`
	Note         string          `json:"note,omitzero"`
	Wave         int             `json:"wave" doc:"the one that ran last"`
	Waiting      bool            `json:"waiting" doc:"searching, and nobody is left to ask"`
	EndReason    string          `json:"end_reason,omitzero"`
	CreatedAt    int64           `json:"created_at"`
	StartedAt    int64           `json:"started_at,omitzero"`
	EndsAt       int64           `json:"ends_at,omitzero"`
	EndedAt      int64           `json:"ended_at,omitzero"`
	DeadlineAt   int64           `json:"deadline_at,omitzero" doc:"the one that ends the status"`
}

func sessionOf(s admin.Session) session {
	return session{
		ID: s.ID, Version: s.Version, Status: s.Status, CustomerID: s.CustomerID, CustomerName: s.CustomerName,
		MitraID: s.MitraID, MitraName: s.MitraName, PackageID: s.PackageID, Minutes: s.Minutes, Price: s.Price, Note: s.Note,
		Wave: s.Wave, Waiting: s.Waiting, EndReason: s.EndReason, CreatedAt: millis(s.CreatedAt), StartedAt: millis(s.StartedAt),
		EndsAt: millis(s.EndsAt), EndedAt: millis(s.EndedAt), DeadlineAt: millis(s.DeadlineAt),
	}
}

// sessionFilter ends with the year 9999.
type sessionFilter struct {
	paging
	Status   string          `query:"status" enum:"searching,pending_payment,active,ended,cancelled,unmatched"`
	Customer core.CustomerID `query:"customer_id"`
	Mitra    core.MitraID    `query:"mitra_id"`
	From     *int64          `query:"from" min:"0" max:"253402300799999" doc:"made at or after"`
	To       *int64          `query:"to" min:"0" max:"253402300799999" doc:"made before"`
}

func (c *console) sessions(ctx context.Context, _ *rest.Call, in sessionFilter) (list[session], error) {
	page, err := c.admin.Sessions(ctx, admin.SessionFilter{
		Status: in.Status, Customer: in.Customer, Mitra: in.Mitra, From: at(in.From), To: at(in.To),
	}, in.page())
	return listOf(page, sessionOf), err
}

type sessionID struct {
	ID core.SessionID `path:"id"`
}

// story is a session with everything that happened to it, in order.
type story struct {
	session
	Events []event `json:"events"`
	Waves  []wave  `json:"waves"`
	Offers []offer `json:"offers"`
}

type event struct {
	From      string      `json:"from,omitzero"`
	To        string      `json:"to"`
	ActorType string      `json:"actor_type" enum:"customer,mitra,cc_user,system"`
	ActorID   core.UserID `json:"actor_id,omitzero"`
	Reason    string      `json:"reason,omitzero"`
	Note      string      `json:"note,omitzero"`
	At        int64       `json:"at"`
}

type wave struct {
	Number     int          `json:"number"`
	Offered    int          `json:"offered"`
	Considered []considered `json:"considered"`
	At         int64        `json:"at"`
}

type considered struct {
	MitraID   core.MitraID `json:"mitra_id"`
	MitraName string       `json:"mitra_name"`
	Why       string       `json:"why" doc:"offered, or why not"`
}

type offer struct {
	ID            core.OfferID `json:"id"`
	MitraID       core.MitraID `json:"mitra_id"`
	MitraName     string       `json:"mitra_name"`
	Wave          int          `json:"wave" doc:"0: while the search was waiting"`
	Status        string       `json:"status" enum:"offered,delivered,accepted,declined,expired,withdrawn,lost,undelivered"`
	DeclineReason string       `json:"decline_reason,omitzero"`
	CreatedAt     int64        `json:"created_at"`
	ExpiresAt     int64        `json:"expires_at"`
	DeliveredAt   int64        `json:"delivered_at,omitzero"`
	ClosedAt      int64        `json:"closed_at,omitzero"`
	ReroutedAt    int64        `json:"rerouted_at,omitzero"`
}

func (c *console) story(ctx context.Context, _ *rest.Call, in sessionID) (story, error) {
	told, err := c.admin.Story(ctx, in.ID)
	s := story{session: sessionOf(told.Session), Events: []event{}, Waves: []wave{}, Offers: []offer{}}
	for _, e := range told.Events {
		s.Events = append(s.Events, event{
			From: e.From, To: e.To, ActorType: e.ActorType, ActorID: e.ActorID, Reason: e.Reason, Note: e.Note, At: millis(e.At),
		})
	}
	for _, w := range told.Waves {
		looked := make([]considered, 0, len(w.Considered))
		for _, x := range w.Considered {
			looked = append(looked, considered{MitraID: x.MitraID, MitraName: x.MitraName, Why: x.Why})
		}
		s.Waves = append(s.Waves, wave{Number: w.Number, Offered: w.Offered, Considered: looked, At: millis(w.At)})
	}
	for _, o := range told.Offers {
		s.Offers = append(s.Offers, offer{
			ID: o.ID, MitraID: o.MitraID, MitraName: o.MitraName, Wave: o.Wave, Status: o.Status, DeclineReason: o.DeclineReason,
			CreatedAt: millis(o.CreatedAt), ExpiresAt: millis(o.ExpiresAt), DeliveredAt: millis(o.DeliveredAt),
			ClosedAt: millis(o.ClosedAt), ReroutedAt: millis(o.ReroutedAt),
		})
	}
	return s, err
}

type sessionEnd struct {
	sessionID
	Note *string `json:"note" max:"500" doc:"kept in the session's history"`
}

func (c *console) endSession(ctx context.Context, call *rest.Call, in sessionEnd) (session, error) {
	note := ""
	if in.Note != nil {
		note = *in.Note
	}
	s, err := c.admin.EndSession(ctx, call.Who, in.ID, note)
	return sessionOf(s), err
}

func (c *console) rerouteSession(ctx context.Context, call *rest.Call, in sessionEnd) (session, error) {
	note := ""
	if in.Note != nil {
		note = *in.Note
	}
	s, err := c.admin.RerouteSession(ctx, call.Who, in.ID, note)
	return sessionOf(s), err
}
