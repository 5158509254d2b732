package admin

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
)

// Customer is a customer as operators see it.
type Customer struct {
	ID          core.CustomerID
	DisplayName string
	Phone       string
	Email       string
	Google      bool // an identity of that kind is linked
	Apple       bool
	CreatedAt   time.Time
	DeletedAt   time.Time // zero: not deleted
}

// Customers lists customers: newest first, or by name or phone when searched. BAD_MESSAGE of the page, UNAVAILABLE.
func (s *Service) Customers(ctx context.Context, search Search, page Page) (List[Customer], error) {
	span, err := page.span(search.order())
	if err != nil {
		return List[Customer]{}, err
	}
	items, err := s.stores.Customers.Customers(ctx, search, span)
	return listOf(span, items, func(c Customer) Key { return search.key(c.DisplayName, c.Phone, c.CreatedAt, c.ID) }), err
}

// Customer reads one. NOT_FOUND, UNAVAILABLE.
func (s *Service) Customer(ctx context.Context, id core.CustomerID) (Customer, error) {
	return s.stores.Customers.Customer(ctx, id)
}
