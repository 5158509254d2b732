package console

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) userRoutes() []rest.Route {
	const users = "/internal/control-center-users"
	return []rest.Route{
		rest.On("GET", users, rest.Admins, "Users of the control center, newest first", c.users),
		rest.On("POST", users, rest.Admins, "Make a user", c.addUser, core.Conflict, core.Overloaded).Creates(),
		rest.On("PATCH", users+"/:id", rest.Admins, "Rename a user, change its role, activate or deactivate it; a change of rights signs it out",
			c.changeUser, core.NotFound, core.Conflict),
		rest.On("PUT", users+"/:id/password", rest.Operators, "Set one's own password, or, as an admin, another's; the user's other sign-ins end",
			c.setPassword, core.NotFound, core.RateLimited, core.Overloaded),
		rest.On("DELETE", users+"/:id/sessions", rest.Admins, "Sign a user out everywhere", c.signOutUser, core.NotFound),
	}
}

// consoleUser is a user of the control center.
type consoleUser struct {
	ID          core.OperatorID `json:"id"`
	Email       string          `json:"email"`
	DisplayName string          `json:"display_name"`
	Role        core.Role       `json:"role" enum:"admin,operator"`
	Active      bool            `json:"is_active"`
	LockedUntil int64           `json:"locked_until,omitzero"`
	CreatedAt   int64           `json:"created_at"`
}

func userOf(o admin.Operator) consoleUser {
	return consoleUser{
		ID: o.ID, Email: o.Email, DisplayName: o.DisplayName, Role: o.Role, Active: o.Active,
		LockedUntil: millis(o.LockedUntil), CreatedAt: millis(o.CreatedAt),
	}
}

func (c *console) users(ctx context.Context, _ *rest.Call, in paging) (list[consoleUser], error) {
	page, err := c.admin.Operators(ctx, in.page())
	return listOf(page, userOf), err
}

type newUser struct {
	Email       string    `json:"email"`
	DisplayName string    `json:"display_name" min:"1" max:"100"`
	Role        core.Role `json:"role" enum:"admin,operator"`
	Password    string    `json:"password" doc:"8 characters to 72 bytes with a digit, an upper and a lower case letter"`
}

func (c *console) addUser(ctx context.Context, call *rest.Call, in newUser) (consoleUser, error) {
	user, err := c.admin.AddOperator(ctx, call.Who, admin.NewOperator{Email: in.Email, DisplayName: in.DisplayName, Role: in.Role}, in.Password)
	return userOf(user), err
}

// userID is a path's id of a user; "me" is oneself. (The router takes no fixed segment beside a parameter.)
type userID struct {
	ID string `path:"id" doc:"a UUID, or me"`
}

func (u userID) of(who core.Principal) (core.OperatorID, error) {
	if u.ID == "me" {
		return who.Operator(), nil
	}
	id, err := core.ParseID[core.OperatorID](u.ID)
	if err != nil {
		return id, core.FieldError("id", "must be a UUID, or me")
	}
	return id, nil
}

type userChange struct {
	userID
	DisplayName *string    `json:"display_name" min:"1" max:"100"`
	Role        *core.Role `json:"role" enum:"admin,operator"`
	Active      *bool      `json:"is_active"`
}

func (c *console) changeUser(ctx context.Context, call *rest.Call, in userChange) (consoleUser, error) {
	id, err := in.of(call.Who)
	if err != nil {
		return consoleUser{}, err
	}
	user, err := c.admin.ChangeOperator(ctx, call.Who, id, admin.OperatorChange{
		DisplayName: in.DisplayName, Role: in.Role, Active: in.Active,
	})
	return userOf(user), err
}

type newPassword struct {
	userID
	Current  *string `json:"current_password" doc:"needed to set one's own"`
	Password string  `json:"password" doc:"8 characters to 72 bytes with a digit, an upper and a lower case letter"`
}

func (c *console) setPassword(ctx context.Context, call *rest.Call, in newPassword) (rest.None, error) {
	id, err := in.of(call.Who)
	switch {
	case err != nil:
		return rest.None{}, err
	case id != call.Who.Operator():
		return rest.None{}, c.admin.ResetPassword(ctx, call.Who, id, in.Password)
	case in.Current == nil:
		return rest.None{}, core.FieldError("current_password", "is missing")
	}
	return rest.None{}, c.admin.ChangePassword(ctx, call.Who, *in.Current, in.Password)
}

// signedOut tells how many auth sessions have ended.
type signedOut struct {
	Revoked int `json:"revoked"`
}

func (c *console) signOutUser(ctx context.Context, call *rest.Call, in userID) (signedOut, error) {
	id, err := in.of(call.Who)
	if err != nil {
		return signedOut{}, err
	}
	n, err := c.admin.SignOut(ctx, call.Who, core.Operator, core.UserID(id))
	return signedOut{n}, err
}
