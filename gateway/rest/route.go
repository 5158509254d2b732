package rest

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/julienschmidt/httprouter"

	"github.com/halobestie/bestie-gateway/core"
)

// Access says who may take a route.
type Access int

// From nobody in particular to those operators who may do everything.
const (
	Anybody   Access = iota
	SignedIn         // customers and mitras
	Customers        // customers
	Mitras           // mitras
	Operators        // operators of any role
	Admins           // operators whose role is core.Admin
)

// users lists the kinds of users that an access lets through; nil for Anybody.
func (a Access) users() []core.UserType {
	switch a {
	case SignedIn:
		return []core.UserType{core.Customer, core.Mitra}
	case Customers:
		return []core.UserType{core.Customer}
	case Mitras:
		return []core.UserType{core.Mitra}
	case Operators, Admins:
		return []core.UserType{core.Operator}
	}
	return nil
}

// Route is one line of the tables that the routers and their description are both made from, so that neither can have what
// the other has not. On makes it.
type Route struct {
	Method, Path string // the path as httprouter has it: /internal/mitras/:id
	Access       Access
	Summary      string
	Status       int         // of a success
	Or           []int       // statuses that the same answer may have besides
	Errors       []core.Code // that this route answers, besides those that follow from its shape

	in, out reflect.Type
	raw     bool // its handler reads the body itself, whatever it is
	serve   func(s *server, c *Call, params httprouter.Params) error
}

// Call is one request on its way through a handler.
type Call struct {
	Who    core.Principal      // zero for Anybody
	W      http.ResponseWriter // for headers and cookies; the answer is what the handler returns
	R      *http.Request
	Status int // of the answer; a handler may choose another one that its route names
}

// None is the input or the answer of a route that has none; an answer of it is 204 without a body.
type None struct{}

// On makes a route whose handler takes an In and answers an Out. The fields of In say where they come from:
//
//	path:"id"      a parameter of the path
//	query:"limit"  a parameter of the query; unknown ones are refused when there is any such field
//	json:"phone"   a field of the JSON body; without any, the body may be left out
//
// and may have the tags of package openapi, which are held: enum, min and max. A field of the body must be there unless it is a
// pointer, Nullable, or has omitempty. What cannot be read is refused before the handler runs: BAD_MESSAGE and UNKNOWN_FIELD with the
// field's name, TOO_LARGE, UNSUPPORTED_MEDIA. An Out is a struct with json tags, or None. The status is 201 for a POST that
// Creates, 204 for None, else 200.
func On[In, Out any](method, path string, access Access, summary string, f func(ctx context.Context, c *Call, in In) (Out, error), errors ...core.Code) Route {
	r := Route{
		Method: method, Path: path, Access: access, Summary: summary, Errors: errors, Status: http.StatusOK,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
	}
	if r.out == reflect.TypeFor[None]() {
		r.Status = http.StatusNoContent
	}
	status := r.Status
	r.serve = func(s *server, c *Call, params httprouter.Params) error {
		var in In
		if err := bind(c.W, c.R, params, reflect.ValueOf(&in).Elem()); err != nil {
			return err
		}
		out, err := f(c.R.Context(), c, in)
		if err != nil {
			return err
		}
		if status == http.StatusNoContent {
			c.W.WriteHeader(status)
			return nil
		}
		s.reply(c.W, c.R, c.Status, out)
		return nil
	}
	return r
}

// Creates is the route with 201 for a success.
func (r Route) Creates() Route {
	r.Status = http.StatusCreated
	return r
}

// May is the route with further statuses that its answer may have.
func (r Route) May(statuses ...int) Route {
	r.Or = statuses
	return r
}

// mount puts routes on a router.
func (s *server) mount(router *httprouter.Router, routes []Route) {
	for _, r := range routes {
		router.Handle(r.Method, r.Path, func(w http.ResponseWriter, request *http.Request, params httprouter.Params) {
			c := &Call{W: w, R: request, Status: r.Status}
			err := s.admit(r.Access, c)
			if err == nil {
				err = r.serve(s, c, params)
			}
			if err != nil {
				s.fail(w, request, err)
			}
		})
	}
}

// admit lets those through to a handler whom the access names. It costs no query: the token says who and with which role.
// UNAUTHENTICATED, TOKEN_EXPIRED, SESSION_REVOKED, FORBIDDEN.
func (s *server) admit(access Access, c *Call) error {
	users := access.users()
	if users == nil {
		return nil
	}
	who, err := s.principal(c.R)
	switch {
	case err != nil:
		return err
	case !slices.Contains(users, who.Type):
		return core.Errorf(core.Forbidden, "the route is not for a %s", who.Type)
	case access == Admins && who.Role != core.Admin:
		return core.Errorf(core.Forbidden, "the route is not for the role %s", who.Role)
	}
	c.Who = who
	return nil
}
