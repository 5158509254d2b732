package core

import "time"

// UserType says which app a user signs in to. The names travel in access tokens.
type UserType string

// The three kinds of users.
const (
	Customer UserType = "customer"
	Mitra    UserType = "mitra"
	Operator UserType = "cc_user"
)

// Valid tells whether t is one of the three.
func (t UserType) Valid() bool { return t == Customer || t == Mitra || t == Operator }

// Role says what an operator may do. It travels in access tokens: a change of role must revoke the operator's auth sessions.
type Role string

// The two roles; customers and mitras have none.
const (
	Admin     Role = "admin"    // also manages users and configuration
	Attendant Role = "operator" // everything else
)

// Valid tells whether r is one of the two.
func (r Role) Valid() bool { return r == Admin || r == Attendant }

// Principal is who speaks: what a verified access token says, without any look-up.
type Principal struct {
	Type      UserType
	ID        UserID
	Role      Role // an operator's; empty for everybody else
	Session   AuthSessionID
	ExpiresAt time.Time // of the token
}

// Mitra is the principal's id as a mitra's; only meaningful when Type is Mitra.
func (p Principal) Mitra() MitraID { return MitraID(p.ID) }

// Customer is the principal's id as a customer's; only meaningful when Type is Customer.
func (p Principal) Customer() CustomerID { return CustomerID(p.ID) }

// Operator is the principal's id as an operator's; only meaningful when Type is Operator.
func (p Principal) Operator() OperatorID { return OperatorID(p.ID) }
