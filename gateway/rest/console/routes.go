// Package console is the control center's part of the internal routes: a table that package rest puts on its router.
//
//	one file a resource ──Routes──► rest.Internal ──► router and OpenAPI document
//
// Handlers hold no rules. They turn an input into a call of core/admin and what comes back into an answer; who may call is said in
// the table. Every list is a page: ?limit= (50, at most 200) and ?cursor=, answered as {"items": […], "next_cursor": null or the
// cursor of the next page}. An id that is not a UUID is BAD_MESSAGE naming it, in the path as in the query.
package console

import (
	"slices"
	"time"

	"github.com/halobestie/bestie-gateway/core/admin"
	"github.com/halobestie/bestie-gateway/gateway/rest"
)

// console is what handlers work with. It is fixed after construction.
type console struct {
	admin *admin.Service
}

// Routes is the table. To describe it, service may be nil.
func Routes(service *admin.Service) []rest.Route {
	c := &console{admin: service}
	return slices.Concat(
		c.userRoutes(), c.mitraRoutes(), c.customerRoutes(), c.sessionRoutes(), c.moneyRoutes(), c.configRoutes(), c.overviewRoutes())
}

// paging is what every list takes.
type paging struct {
	Limit  int    `query:"limit" min:"1" max:"200" doc:"how many; 50 unless given"`
	Cursor string `query:"cursor" min:"1" max:"600" doc:"next_cursor of the page before"`
}

func (p paging) page() admin.Page { return admin.Page{Limit: p.Limit, Cursor: p.Cursor} }

// list is what every list answers.
type list[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"` // null: this is the last page
}

// listOf makes an answer of a page.
func listOf[A, T any](page admin.List[A], item func(A) T) list[T] {
	l := list[T]{Items: make([]T, 0, len(page.Items))}
	for _, a := range page.Items {
		l.Items = append(l.Items, item(a))
	}
	if page.Next != "" {
		l.NextCursor = &page.Next
	}
	return l
}

// millis is a time as REST tells it: Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the inverse for a parameter that may be left out.
func at(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms)
}
