package admin

import (
	"context"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Operator is a user of the control center.
type Operator struct {
	ID          core.OperatorID
	Email       string
	DisplayName string
	Role        core.Role
	Active      bool
	LockedUntil time.Time // zero: not locked out
	CreatedAt   time.Time
}

// NewOperator is one to be made.
type NewOperator struct {
	Email       string
	DisplayName string
	Role        core.Role
}

// OperatorChange changes what is not nil.
type OperatorChange struct {
	DisplayName *string
	Role        *core.Role
	Active      *bool
}

const maxName = 100 // characters

// Operators lists the users of the control center, newest first. BAD_MESSAGE of the page, UNAVAILABLE.
func (s *Service) Operators(ctx context.Context, page Page) (List[Operator], error) {
	return list(ctx, page, Newest, s.stores.Operators.Operators, func(o Operator) Key { return Key{At: o.CreatedAt, ID: o.ID} })
}

// AddOperator makes a user. BAD_MESSAGE of a field, CONFLICT when the address is taken, OVERLOADED, UNAVAILABLE.
func (s *Service) AddOperator(ctx context.Context, by core.Principal, o NewOperator, password string) (Operator, error) {
	var err error
	if o.Email, err = s.email(o.Email); err != nil {
		return Operator{}, err
	}
	if o.DisplayName, err = nameOf(o.DisplayName); err != nil {
		return Operator{}, err
	}
	if !o.Role.Valid() {
		return Operator{}, noRole()
	}
	hash, err := s.passwords.HashPassword(ctx, password)
	if err != nil {
		return Operator{}, err
	}
	return s.stores.Operators.AddOperator(ctx, by.Operator(), o, hash)
}

// ChangeOperator changes a user. Another role and a deactivation end the user's auth sessions: access tokens tell the role. One
// active admin stays: CONFLICT. BAD_MESSAGE of a field, NOT_FOUND, UNAVAILABLE.
func (s *Service) ChangeOperator(ctx context.Context, by core.Principal, id core.OperatorID, change OperatorChange) (Operator, error) {
	if change.DisplayName != nil {
		name, err := nameOf(*change.DisplayName)
		if err != nil {
			return Operator{}, err
		}
		change.DisplayName = &name
	}
	if change.Role != nil && !change.Role.Valid() {
		return Operator{}, noRole()
	}
	return s.stores.Operators.ChangeOperator(ctx, by.Operator(), id, change)
}

// ResetPassword sets another user's password and ends all of its auth sessions. FORBIDDEN but for admins, BAD_MESSAGE of
// password, NOT_FOUND, OVERLOADED, UNAVAILABLE.
func (s *Service) ResetPassword(ctx context.Context, by core.Principal, id core.OperatorID, password string) error {
	if by.Role != core.Admin {
		return core.Errorf(core.Forbidden, "not for the role %s", by.Role)
	}
	hash, err := s.passwords.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	return s.stores.Operators.SetPassword(ctx, by.Operator(), id, hash, core.AuthSessionID{})
}

// ChangePassword sets one's own password, which takes the current one, and ends one's other auth sessions. FORBIDDEN of
// current_password, BAD_MESSAGE of password, RATE_LIMITED, NOT_FOUND, OVERLOADED, UNAVAILABLE.
func (s *Service) ChangePassword(ctx context.Context, by core.Principal, current, password string) error {
	if err := s.passwords.ConfirmPassword(ctx, by.Operator(), current); err != nil {
		return err
	}
	hash, err := s.passwords.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	return s.stores.Operators.SetPassword(ctx, by.Operator(), by.Operator(), hash, by.Session)
}

// SignOut ends all auth sessions of a user and tells how many there were. NOT_FOUND, UNAVAILABLE.
func (s *Service) SignOut(ctx context.Context, by core.Principal, kind core.UserType, id core.UserID) (int, error) {
	return s.stores.SignOuts.SignOut(ctx, by.Operator(), kind, id)
}

// nameOf is a display name as it is kept.
func nameOf(text string) (string, error) {
	name := strings.TrimSpace(text)
	if name == "" || len([]rune(name)) > maxName {
		return "", core.FieldError("display_name", "must have 1 to %d characters", maxName)
	}
	return name, nil
}

func noRole() error {
	return core.FieldError("role", "must be %s or %s", core.Admin, core.Attendant)
}
