package console

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

func (c *console) customerRoutes() []rest.Route {
	const customers = "/internal/customers"
	return []rest.Route{
		rest.On("GET", customers, rest.Operators, "Customers: newest first, or by name or phone when searched", c.customers),
		rest.On("GET", customers+"/:id", rest.Operators, "One customer", c.customer, core.NotFound),
		rest.On("DELETE", customers+"/:id/sessions", rest.Operators, "Sign a customer out everywhere", c.signOutCustomer, core.NotFound),
	}
}

// customer is a customer as operators see it.
type customer struct {
	ID          core.CustomerID `json:"id"`
	DisplayName string          `json:"display_name"`
	Phone       string          `json:"phone,omitzero"`
	Email       string          `json:"email,omitzero"`
	Google      bool            `json:"has_google"`
	Apple       bool            `json:"has_apple"`
	CreatedAt   int64           `json:"created_at"`
	DeletedAt   int64           `json:"deleted_at,omitzero"`
}

func customerOf(x admin.Customer) customer {
	return customer{
		ID: x.ID, DisplayName: x.DisplayName, Phone: x.Phone, Email: x.Email, Google: x.Google, Apple: x.Apple,
		CreatedAt: millis(x.CreatedAt), DeletedAt: millis(x.DeletedAt),
	}
}

type customerFilter struct {
	paging
	Search string `query:"search" max:"100" doc:"how the name begins, or the phone"`
}

func (c *console) customers(ctx context.Context, _ *rest.Call, in customerFilter) (list[customer], error) {
	page, err := c.admin.Customers(ctx, admin.SearchFor(in.Search), in.page())
	return listOf(page, customerOf), err
}

type customerID struct {
	ID core.CustomerID `path:"id"`
}

func (c *console) customer(ctx context.Context, _ *rest.Call, in customerID) (customer, error) {
	x, err := c.admin.Customer(ctx, in.ID)
	return customerOf(x), err
}

func (c *console) signOutCustomer(ctx context.Context, call *rest.Call, in customerID) (signedOut, error) {
	n, err := c.admin.SignOut(ctx, call.Who, core.Customer, core.UserID(in.ID))
	return signedOut{n}, err
}
