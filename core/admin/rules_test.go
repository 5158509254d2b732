package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// books is a store that keeps what it was given last, and reads what it was told to.
type books struct {
	operator NewOperator
	hash     string
	change   OperatorChange
	mitra    NewMitra
	renamed  MitraChange
	pack     Package
	packed   PackageChange
	note     string
	but      core.AuthSessionID
	active   *bool
	span     Span
}

func (b *books) Operators(_ context.Context, span Span) ([]Operator, error) {
	b.span = span
	return make([]Operator, span.Limit), nil
}

func (b *books) AddOperator(_ context.Context, _ core.OperatorID, o NewOperator, hash string) (Operator, error) {
	b.operator, b.hash = o, hash
	return Operator{Email: o.Email}, nil
}

func (b *books) ChangeOperator(_ context.Context, _, _ core.OperatorID, change OperatorChange) (Operator, error) {
	b.change = change
	return Operator{}, nil
}

func (b *books) SetPassword(_ context.Context, _, _ core.OperatorID, hash string, but core.AuthSessionID) error {
	b.hash, b.but = hash, but
	return nil
}

func (b *books) SignOut(context.Context, core.OperatorID, core.UserType, core.UserID) (int, error) {
	return 3, nil
}

func (b *books) Mitras(_ context.Context, _ MitraFilter, span Span) ([]Mitra, error) {
	b.span = span
	return []Mitra{{DisplayName: "Ayu", Phone: "+62811"}, {DisplayName: "Sari"}}, nil
}

func (b *books) Mitra(context.Context, core.MitraID) (Mitra, error) { return Mitra{}, nil }

func (b *books) AddMitra(_ context.Context, _ core.OperatorID, m NewMitra) (Mitra, error) {
	b.mitra = m
	return Mitra{}, nil
}

func (b *books) ChangeMitra(_ context.Context, _ core.OperatorID, _ core.MitraID, change MitraChange) (Mitra, error) {
	b.renamed = change
	return Mitra{}, nil
}

func (b *books) StatusLog(_ context.Context, _ core.MitraID, span Span) ([]StatusEntry, error) {
	b.span = span
	return nil, nil
}

func (b *books) Activate(context.Context, core.OperatorID, core.MitraID) (Mitra, error) {
	b.active = new(bool)
	*b.active = true
	return Mitra{Active: true}, nil
}

func (b *books) Deactivate(context.Context, core.OperatorID, core.MitraID) (Deactivation, error) {
	b.active = new(bool)
	return Deactivation{Ended: make([]core.SessionID, 1)}, nil
}

func (b *books) TakeOffline(context.Context, core.OperatorID, core.MitraID) (Mitra, error) {
	return Mitra{Mode: "offline"}, nil
}

func (b *books) Customers(_ context.Context, _ Search, span Span) ([]Customer, error) {
	b.span = span
	return nil, nil
}

func (b *books) Customer(context.Context, core.CustomerID) (Customer, error) { return Customer{}, nil }

func (b *books) Sessions(_ context.Context, _ SessionFilter, span Span) ([]Session, error) {
	b.span = span
	return nil, nil
}

func (b *books) Story(context.Context, core.SessionID) (Story, error) { return Story{}, nil }

func (b *books) EndSession(_ context.Context, _ core.OperatorID, _ core.SessionID, note string) (Session, error) {
	b.note = note
	return Session{}, nil
}

func (b *books) RerouteSession(_ context.Context, _ core.OperatorID, _ core.SessionID, note string) (Session, error) {
	b.note = note
	return Session{}, nil
}

func (b *books) Packages(_ context.Context, span Span) ([]Package, error) {
	b.span = span
	return nil, nil
}

func (b *books) AddPackage(_ context.Context, _ core.OperatorID, p Package) (Package, error) {
	b.pack = p
	return p, nil
}

func (b *books) ChangePackage(_ context.Context, _ core.OperatorID, _ core.PackageID, change PackageChange) (Package, error) {
	b.packed = change
	return Package{}, nil
}

func (b *books) AuditLog(_ context.Context, _ AuditFilter, span Span) ([]AuditEntry, error) {
	b.span = span
	return nil, nil
}

// HashPassword and ConfirmPassword stand in for core/auth.
func (b *books) HashPassword(_ context.Context, password string) (string, error) {
	if password == "weak" {
		return "", core.FieldError("password", "weak")
	}
	return "hash of " + password, nil
}

func (b *books) ConfirmPassword(_ context.Context, _ core.OperatorID, password string) error {
	if password != "current" {
		return core.Errorf(core.Forbidden, "wrong")
	}
	return nil
}

func room() (*Service, *books) {
	b := &books{}
	return NewService(Stores{Operators: b, Mitras: b, Duty: b, Customers: b, SignOuts: b, Sessions: b, Catalogue: b, Audit: b}, Deps{
		Passwords: b, Clock: time.Now,
		Phone: func(p string) (string, error) {
			if p == "" {
				return "", core.FieldError("phone", "none")
			}
			return "+" + p, nil
		},
		Email: func(e string) (string, error) {
			if e == "" {
				return "", core.FieldError("email", "none")
			}
			return strings.ToLower(e), nil
		},
	}), b
}

var boss = core.Principal{Type: core.Operator, Role: core.Admin, ID: core.NewID[core.UserID](), Session: core.NewID[core.AuthSessionID]()}

func refused(t *testing.T, err error, code core.Code) {
	t.Helper()
	require.Equal(t, code, core.CodeOf(err), "%v", err)
}

func to[T any](v T) *T { return &v }

func TestOperators_Rules(t *testing.T) {
	t.Parallel()
	s, b := room()
	good := NewOperator{Email: "A@b", DisplayName: " Ani ", Role: core.Attendant}
	_, err := s.AddOperator(t.Context(), boss, good, "secret")
	require.NoError(t, err)
	require.Equal(t, NewOperator{Email: "a@b", DisplayName: "Ani", Role: core.Attendant}, b.operator)
	require.Equal(t, "hash of secret", b.hash)
	for _, spoil := range []func(*NewOperator){
		func(o *NewOperator) { o.Email = "" }, func(o *NewOperator) { o.DisplayName = " " },
		func(o *NewOperator) { o.DisplayName = strings.Repeat("é", maxName+1) }, func(o *NewOperator) { o.Role = "root" },
	} {
		bad := good
		spoil(&bad)
		_, err := s.AddOperator(t.Context(), boss, bad, "secret")
		refused(t, err, core.BadMessage)
	}
	_, err = s.AddOperator(t.Context(), boss, good, "weak")
	refused(t, err, core.BadMessage)

	_, err = s.ChangeOperator(t.Context(), boss, boss.Operator(), OperatorChange{DisplayName: to(" B "), Role: to(core.Admin)})
	require.NoError(t, err)
	require.Equal(t, "B", *b.change.DisplayName)
	_, err = s.ChangeOperator(t.Context(), boss, boss.Operator(), OperatorChange{DisplayName: to("")})
	refused(t, err, core.BadMessage)
	_, err = s.ChangeOperator(t.Context(), boss, boss.Operator(), OperatorChange{Role: to(core.Role("root"))})
	refused(t, err, core.BadMessage)
	n, err := s.SignOut(t.Context(), boss, core.Mitra, core.UserID{})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	page, err := s.Operators(t.Context(), Page{})
	require.NoError(t, err)
	require.Len(t, page.Items, DefaultLimit)
	require.NotEmpty(t, page.Next)
}

func TestPasswords_Rules(t *testing.T) {
	t.Parallel()
	s, b := room()
	require.NoError(t, s.ResetPassword(t.Context(), boss, core.OperatorID{}, "secret"))
	require.Zero(t, b.but, "another's sign-ins all end")
	refused(t, s.ResetPassword(t.Context(), boss, core.OperatorID{}, "weak"), core.BadMessage)
	refused(t, s.ResetPassword(t.Context(), core.Principal{Role: core.Attendant}, core.OperatorID{}, "secret"), core.Forbidden)

	require.NoError(t, s.ChangePassword(t.Context(), boss, "current", "secret"))
	require.Equal(t, boss.Session, b.but, "one's own sign-in stays")
	refused(t, s.ChangePassword(t.Context(), boss, "wrong", "secret"), core.Forbidden)
	refused(t, s.ChangePassword(t.Context(), boss, "current", "weak"), core.BadMessage)
}

func TestMitras_Rules(t *testing.T) {
	t.Parallel()
	s, b := room()
	_, err := s.AddMitra(t.Context(), boss, NewMitra{Phone: "62811", DisplayName: " Ayu ", MaxCapacity: 2})
	require.NoError(t, err)
	require.Equal(t, NewMitra{Phone: "+62811", DisplayName: "Ayu", MaxCapacity: 2}, b.mitra)
	for _, bad := range []NewMitra{{DisplayName: "A"}, {Phone: "62811"}, {Phone: "62811", DisplayName: "A", MaxCapacity: 11}, {Phone: "62811", DisplayName: "A", MaxCapacity: -1}} {
		_, err := s.AddMitra(t.Context(), boss, bad)
		refused(t, err, core.BadMessage)
	}
	_, err = s.ChangeMitra(t.Context(), boss, core.MitraID{}, MitraChange{DisplayName: to(" B "), MaxCapacity: to(10)})
	require.NoError(t, err)
	require.Equal(t, "B", *b.renamed.DisplayName)
	for _, bad := range []MitraChange{{DisplayName: to(" ")}, {MaxCapacity: to(11)}} {
		_, err := s.ChangeMitra(t.Context(), boss, core.MitraID{}, bad)
		refused(t, err, core.BadMessage)
	}
	for _, active := range []bool{true, false} {
		done, err := s.SetMitraActive(t.Context(), boss, core.MitraID{}, active)
		require.NoError(t, err)
		require.Equal(t, active, *b.active)
		require.Equal(t, active, len(done.Ended) == 0)
	}
	gone, err := s.TakeOffline(t.Context(), boss, core.MitraID{})
	require.NoError(t, err)
	require.Equal(t, "offline", gone.Mode)
	_, err = s.Mitra(t.Context(), core.MitraID{})
	require.NoError(t, err)
}

func TestPackages_Rules(t *testing.T) {
	t.Parallel()
	s, b := room()
	_, err := s.AddPackage(t.Context(), boss, Package{Name: "Malam", Minutes: 30, Price: maxPrice})
	require.NoError(t, err)
	require.Equal(t, int64(maxPrice), b.pack.Price)
	for _, bad := range []Package{
		{Minutes: 30}, {Name: "A"}, {Name: "A", Minutes: maxMinutes + 1}, {Name: "A", Minutes: 1, Price: -1}, {Name: "A", Minutes: 1, Price: maxPrice + 1},
	} {
		_, err := s.AddPackage(t.Context(), boss, bad)
		refused(t, err, core.BadMessage)
		_, err = s.ChangePackage(t.Context(), boss, core.PackageID{}, PackageChange{Name: &bad.Name, Minutes: &bad.Minutes, Price: &bad.Price})
		refused(t, err, core.BadMessage)
	}
	_, err = s.ChangePackage(t.Context(), boss, core.PackageID{}, PackageChange{Active: to(false)})
	require.NoError(t, err)
	require.False(t, *b.packed.Active)
}

func TestSessions_Rules(t *testing.T) {
	t.Parallel()
	s, b := room()
	_, err := s.EndSession(t.Context(), boss, core.SessionID{}, strings.Repeat("é", maxNote+5))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", maxNote), b.note)
	_, err = s.Story(t.Context(), core.SessionID{})
	require.NoError(t, err)
	now := time.Now()
	_, err = s.Sessions(t.Context(), SessionFilter{From: now, To: now}, Page{})
	refused(t, err, core.BadMessage)
	_, err = s.Sessions(t.Context(), SessionFilter{To: now}, Page{})
	require.NoError(t, err)
	_, err = s.Customer(t.Context(), core.CustomerID{})
	require.NoError(t, err)
}

// Each list has its order, and refuses a page that is none of it.
func TestLists_Orders(t *testing.T) {
	t.Parallel()
	s, b := room()
	ctx := t.Context()
	for order, lists := range map[Order][]func(Page) error{
		Newest: {
			func(p Page) error { _, err := s.Operators(ctx, p); return err },
			func(p Page) error { _, err := s.Mitras(ctx, MitraFilter{}, p); return err },
			func(p Page) error { _, err := s.Customers(ctx, Search{}, p); return err },
			func(p Page) error { _, err := s.Sessions(ctx, SessionFilter{}, p); return err },
			func(p Page) error { _, err := s.Packages(ctx, p); return err },
		},
		ByName: {
			func(p Page) error { _, err := s.Mitras(ctx, MitraFilter{Search: Search{Name: "a"}}, p); return err },
			func(p Page) error { _, err := s.Customers(ctx, Search{Name: "a"}, p); return err },
		},
		ByPhone: {
			func(p Page) error { _, err := s.Mitras(ctx, MitraFilter{Search: Search{Phone: "+6"}}, p); return err },
			func(p Page) error { _, err := s.Customers(ctx, Search{Phone: "+6"}, p); return err },
		},
		Latest: {
			func(p Page) error { _, err := s.StatusLog(ctx, core.MitraID{}, p); return err },
			func(p Page) error { _, err := s.AuditLog(ctx, AuditFilter{}, p); return err },
		},
	} {
		for _, list := range lists {
			require.NoError(t, list(Page{Limit: 1, Cursor: cursor(order, Key{At: time.Now(), Number: 7, Text: "Ayu"})}))
			require.Equal(t, order, b.span.Order)
			require.NotNil(t, b.span.After)
			refused(t, list(Page{Cursor: "x"}), core.BadMessage)
			refused(t, list(Page{Limit: MaxLimit + 1}), core.BadMessage)
		}
	}
	page, err := s.Mitras(ctx, MitraFilter{Search: Search{Phone: "+6"}}, Page{Limit: 1})
	require.NoError(t, err)
	next, ok := parseCursor(ByPhone, page.Next)
	require.True(t, ok)
	require.Equal(t, "+62811", next.Text)
}
