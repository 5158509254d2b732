package admin

import (
	"context"

	"github.com/halobestie/bestie-gateway/core"
)

// Service is the room's front. Its methods may be called concurrently; each takes who does it, where something changes.
type Service struct {
	stores    Stores
	passwords Passwords
	presence  Presence
	fleet     Fleet
	phone     func(string) (string, error)
	email     func(string) (string, error)
	clock     core.Clock
	kept      kept
}

// Deps is what the service stands on beside the stores.
type Deps struct {
	Passwords Passwords
	Presence  Presence
	Fleet     Fleet
	Phone     func(string) (string, error) // a phone as it is kept, E.164; BAD_MESSAGE of phone
	Email     func(string) (string, error) // an address as it is kept; BAD_MESSAGE of email
	Clock     core.Clock
}

// NewService makes the room.
func NewService(stores Stores, deps Deps) *Service {
	return &Service{
		stores: stores, passwords: deps.Passwords, presence: deps.Presence, fleet: deps.Fleet, phone: deps.Phone, email: deps.Email,
		clock: deps.Clock,
	}
}

// list reads a page in an order, where key tells an item's place.
func list[T any](ctx context.Context, page Page, order Order, read func(context.Context, Span) ([]T, error), key func(T) Key) (List[T], error) {
	span, err := page.span(order)
	if err != nil {
		return List[T]{}, err
	}
	items, err := read(ctx, span)
	return listOf(span, items, key), err
}
