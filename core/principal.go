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

// Principal is who speaks: what a verified access token says, without any look-up.
type Principal struct {
	Type      UserType
	ID        UserID
	Session   AuthSessionID
	ExpiresAt time.Time // of the token
}

// Mitra is the principal's id as a mitra's; only meaningful when Type is Mitra.
func (p Principal) Mitra() MitraID { return MitraID(p.ID) }

// Customer is the principal's id as a customer's; only meaningful when Type is Customer.
func (p Principal) Customer() CustomerID { return CustomerID(p.ID) }
