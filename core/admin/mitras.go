package admin

import (
	"context"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Mitra is a mitra as operators see it.
type Mitra struct {
	ID              core.MitraID
	Phone           string
	DisplayName     string
	Active          bool
	Mode            string // online, finishing, offline
	Capacity        int    // sessions that it holds now
	MaxCapacity     int    // how many it may
	OwnMaxCapacity  int    // 0: mitra_max_capacity of the configuration
	LastHeartbeatAt time.Time
	AvailableSince  time.Time
	Test            bool
	Version         int64
	CreatedAt       time.Time
}

// MitraFilter narrows the list of mitras. Zero fields do not.
type MitraFilter struct {
	Mode   string
	Active *bool
	Search Search
}

// NewMitra is one to be made. The phone is what it will sign in by.
type NewMitra struct {
	Phone       string
	DisplayName string
	MaxCapacity int // 0: the configuration's
}

// MitraChange changes what is not nil.
type MitraChange struct {
	DisplayName *string
	MaxCapacity *int // 0: the configuration's
}

// StatusEntry is a line of a mitra's status log.
type StatusEntry struct {
	ID     int64
	Mode   string
	Active bool
	Reason string
	At     time.Time
}

// Deactivation is what it did.
type Deactivation struct {
	Mitra Mitra
	Ended []core.SessionID // the sessions that ended with it
}

// Search is the beginning of a name or of a phone, prepared for the store: at most one of the two is set.
type Search struct {
	Name  string // in any case
	Phone string // E.164, or the beginning of it
}

// SearchFor reads what a person typed: what begins like a phone number is one.
func SearchFor(text string) Search {
	text = strings.TrimSpace(text)
	digits := strings.NewReplacer(" ", "", "-", "").Replace(text)
	switch {
	case text == "":
		return Search{}
	case strings.Trim(strings.TrimPrefix(digits, "+"), "0123456789") != "":
		return Search{Name: text}
	case strings.HasPrefix(digits, "+"):
		return Search{Phone: digits}
	case strings.HasPrefix(digits, "0"):
		return Search{Phone: "+62" + digits[1:]}
	case strings.HasPrefix(digits, "62"):
		return Search{Phone: "+" + digits}
	default:
		return Search{Phone: "+62" + digits}
	}
}

// order is the one in which what was searched for is listed.
func (s Search) order() Order {
	switch {
	case s.Name != "":
		return ByName
	case s.Phone != "":
		return ByPhone
	}
	return Newest
}

// key is where something with a name and a phone stands in that order.
func (s Search) key(name, phone string, at time.Time, id [16]byte) Key {
	switch s.order() {
	case ByName:
		return Key{Text: name, ID: id}
	case ByPhone:
		return Key{Text: phone, ID: id}
	}
	return Key{At: at, ID: id}
}

// Mitras lists mitras: newest first, or by name or phone when searched. BAD_MESSAGE of a filter or the page, UNAVAILABLE.
func (s *Service) Mitras(ctx context.Context, filter MitraFilter, page Page) (List[Mitra], error) {
	span, err := page.span(filter.Search.order())
	if err != nil {
		return List[Mitra]{}, err
	}
	items, err := s.stores.Mitras.Mitras(ctx, filter, span)
	return listOf(span, items, func(m Mitra) Key {
		return filter.Search.key(m.DisplayName, m.Phone, m.CreatedAt, m.ID)
	}), err
}

// Mitra reads one. NOT_FOUND, UNAVAILABLE.
func (s *Service) Mitra(ctx context.Context, id core.MitraID) (Mitra, error) {
	return s.stores.Mitras.Mitra(ctx, id)
}

// AddMitra makes one who can sign in by its phone from now on. BAD_MESSAGE of a field, CONFLICT when the phone is a mitra's,
// UNAVAILABLE.
func (s *Service) AddMitra(ctx context.Context, by core.Principal, m NewMitra) (Mitra, error) {
	var err error
	if m.Phone, err = s.phone(m.Phone); err != nil {
		return Mitra{}, err
	}
	if m.DisplayName, err = nameOf(m.DisplayName); err != nil {
		return Mitra{}, err
	}
	if err := capacityFits(m.MaxCapacity); err != nil {
		return Mitra{}, err
	}
	return s.stores.Mitras.AddMitra(ctx, by.Operator(), m)
}

// ChangeMitra renames a mitra or changes how many sessions it may hold. One that is full by that loses its open offers; what it
// holds goes on. BAD_MESSAGE of a field, NOT_FOUND, UNAVAILABLE.
func (s *Service) ChangeMitra(ctx context.Context, by core.Principal, id core.MitraID, change MitraChange) (Mitra, error) {
	if change.DisplayName != nil {
		name, err := nameOf(*change.DisplayName)
		if err != nil {
			return Mitra{}, err
		}
		change.DisplayName = &name
	}
	if change.MaxCapacity != nil {
		if err := capacityFits(*change.MaxCapacity); err != nil {
			return Mitra{}, err
		}
	}
	return s.stores.Mitras.ChangeMitra(ctx, by.Operator(), id, change)
}

// SetMitraActive activates or deactivates a mitra; see the package comment for what follows from a deactivation. The state that it
// has already: no change. NOT_FOUND, UNAVAILABLE.
func (s *Service) SetMitraActive(ctx context.Context, by core.Principal, id core.MitraID, active bool) (Deactivation, error) {
	if !active {
		return s.stores.Duty.Deactivate(ctx, by.Operator(), id)
	}
	mitra, err := s.stores.Duty.Activate(ctx, by.Operator(), id)
	return Deactivation{Mitra: mitra}, err
}

// TakeOffline sets a mitra's mode offline, reason operator; its sessions go on. NOT_FOUND, UNAVAILABLE.
func (s *Service) TakeOffline(ctx context.Context, by core.Principal, id core.MitraID) (Mitra, error) {
	return s.stores.Duty.TakeOffline(ctx, by.Operator(), id)
}

// StatusLog lists when a mitra's mode or activity changed and why, last first. BAD_MESSAGE of the page, NOT_FOUND,
// UNAVAILABLE.
func (s *Service) StatusLog(ctx context.Context, id core.MitraID, page Page) (List[StatusEntry], error) {
	read := func(ctx context.Context, span Span) ([]StatusEntry, error) {
		return s.stores.Mitras.StatusLog(ctx, id, span)
	}
	return list(ctx, page, Latest, read, func(e StatusEntry) Key { return Key{Number: e.ID} })
}

// maxCapacity is the bound of the column, as of mitra_max_capacity.
const maxCapacity = 10

func capacityFits(n int) error {
	if n < 0 || n > maxCapacity {
		return core.FieldError("max_capacity", "must be from 1 to %d, or null", maxCapacity)
	}
	return nil
}
