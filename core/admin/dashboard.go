package admin

import (
	"context"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// dashboardKeeps is how old a dashboard may be: however many operators look at it, an instance asks the stores once in this time.
const dashboardKeeps = time.Second

// jakarta is where a day begins for the business. It has no summer time.
var jakarta = time.FixedZone("WIB", 7*60*60)

// Dashboard is what goes on now.
type Dashboard struct {
	Online         int // mitras whose mode is not offline
	Available      int // mitras who can take a session
	Busy           int // mitras who hold one
	Searching      int // sessions
	PendingPayment int // sessions
	Active         int // sessions
	Sockets        int // of mitras and customers, on all instances
	Instances      int
	PaidToday      int   // sessions paid since the day began
	RevenueToday   int64 // rupiah, extensions included
	DayBegan       time.Time
	At             time.Time
	Degraded       bool // Valkey is out: no sockets are counted, and the other counts may lag
}

// Presence counts mitras without asking Postgres (core/presence).
type Presence interface {
	// Online and available mitras. UNAVAILABLE without the mirror.
	Counts(ctx context.Context) (online, available int, err error)
}

// Instance is a running gateway as it reports itself.
type Instance struct {
	ID        string
	Address   string
	Version   string
	Mitras    int // sockets
	Customers int // sockets
	Since     time.Time
}

// Fleet knows which instances run.
type Fleet interface {
	// UNAVAILABLE without Valkey.
	Instances(ctx context.Context) ([]Instance, error)
}

// Work is what Postgres says about what goes on, by one statement over indexes.
type Work struct {
	Busy, Searching, PendingPayment, Active int
	PaidToday                               int
	RevenueToday                            int64
}

// Numbers are the dashboard's counts in Postgres.
type Numbers interface {
	// Work counts the live sessions and the money that came in since the day began. UNAVAILABLE.
	Work(ctx context.Context, dayBegan time.Time) (Work, error)
	// MitrasOnline counts online and available mitras when the mirror cannot. UNAVAILABLE.
	MitrasOnline(ctx context.Context) (online, available int, err error)
}

// kept is the last dashboard.
type kept struct {
	mu   sync.Mutex
	last Dashboard     // guarded by mu
	busy chan struct{} // closed when the reader who is at it has finished; nil: nobody is; guarded by mu
}

// Dashboard tells what goes on, at most a second ago. UNAVAILABLE.
func (s *Service) Dashboard(ctx context.Context) (Dashboard, error) {
	for {
		s.kept.mu.Lock()
		if last := s.kept.last; s.clock().Sub(last.At) < dashboardKeeps && !last.At.IsZero() {
			s.kept.mu.Unlock()
			return last, nil
		}
		busy := s.kept.busy
		if busy == nil {
			s.kept.busy = make(chan struct{})
			s.kept.mu.Unlock()
			return s.readDashboard(ctx)
		}
		s.kept.mu.Unlock()
		select {
		case <-busy: // it has failed unless there is a new one
		case <-ctx.Done():
			return Dashboard{}, core.Wrap(core.Unavailable, ctx.Err())
		}
	}
}

// readDashboard asks the stores and lets those go on who wait for it.
func (s *Service) readDashboard(ctx context.Context) (d Dashboard, err error) {
	defer func() {
		s.kept.mu.Lock()
		defer s.kept.mu.Unlock()
		if err == nil {
			s.kept.last = d
		}
		close(s.kept.busy)
		s.kept.busy = nil
	}()
	d.At = s.clock()
	d.DayBegan = dayOf(d.At)
	work, err := s.stores.Numbers.Work(ctx, d.DayBegan)
	if err != nil {
		return Dashboard{}, err
	}
	d.Busy, d.Searching, d.PendingPayment, d.Active = work.Busy, work.Searching, work.PendingPayment, work.Active
	d.PaidToday, d.RevenueToday = work.PaidToday, work.RevenueToday

	instances, err := s.fleet.Instances(ctx)
	if err == nil {
		d.Online, d.Available, err = s.presence.Counts(ctx)
	}
	d.Instances = len(instances)
	for _, i := range instances {
		d.Sockets += i.Mitras + i.Customers
	}
	if err == nil {
		return d, nil
	}
	d.Degraded = true
	d.Online, d.Available, err = s.stores.Numbers.MitrasOnline(ctx)
	return d, err
}

// dayOf is when the day of a moment began.
func dayOf(at time.Time) time.Time {
	year, month, day := at.In(jakarta).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, jakarta)
}

// Instances lists the gateways that run. UNAVAILABLE without Valkey.
func (s *Service) Instances(ctx context.Context) ([]Instance, error) {
	return s.fleet.Instances(ctx)
}
