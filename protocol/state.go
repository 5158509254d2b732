package protocol

// Session is a session as one of its two sides sees it.
type Session struct {
	SessionID       UUID
	Version         int64 // only grows
	Status          SessionStatus
	DurationMinutes int
	Price           *int64         // rupiah; nil to a mitra
	Mitra           *MitraParty    // nil while there is none
	Customer        *CustomerParty // nil to a customer
	Payment         *Payment       // nil to a mitra, and while there is none
	StartedAt       int64          // Unix ms; 0: absent
	EndsAt          int64          // Unix ms; 0: absent
	EndingSoon      bool           // false: absent
	DeadlineAt      int64          // Unix ms, the deadline that ends the status; 0: absent
	EndReason       EndReason      // "": absent
	ServerTime      int64          // Unix ms
}

func (m *Session) fields(f *fields) {
	f.uuid("session_id", &m.SessionID)
	f.number("version", required, &m.Version)
	f.word("status", required, (*string)(&m.Status), statuses)
	f.count("duration_minutes", &m.DurationMinutes)
	f.numberOrNil("price", &m.Price)
	f.mitraParty("mitra", &m.Mitra)
	f.customerParty("customer", &m.Customer)
	f.payment("payment", &m.Payment)
	f.time("started_at", optional, &m.StartedAt)
	f.time("ends_at", optional, &m.EndsAt)
	f.flag("ending_soon", &m.EndingSoon)
	f.time("deadline_at", optional, &m.DeadlineAt)
	f.word("end_reason", optional, (*string)(&m.EndReason), endReasons)
	f.time("server_time", required, &m.ServerTime)
}

// MitraParty is what a customer sees of the mitra.
type MitraParty struct {
	MitraID     UUID
	DisplayName string
}

func (m *MitraParty) fields(f *fields) {
	f.uuid("mitra_id", &m.MitraID)
	f.text("display_name", required, &m.DisplayName, 0, anyLength)
}

// CustomerParty is what a mitra sees of the customer.
type CustomerParty struct {
	DisplayName string
}

func (m *CustomerParty) fields(f *fields) {
	f.text("display_name", required, &m.DisplayName, 0, anyLength)
}

// Payment is the money that a session or its extension waits for.
type Payment struct {
	PaymentID   UUID
	Status      PaymentStatus
	CheckoutURL string // "" while opening
	ExpiresAt   int64  // Unix ms
}

func (m *Payment) fields(f *fields) {
	f.uuid("payment_id", &m.PaymentID)
	f.word("status", required, (*string)(&m.Status), paymentStatuses)
	f.text("checkout_url", required, &m.CheckoutURL, 0, anyLength)
	f.time("expires_at", required, &m.ExpiresAt)
}

// State is the whole truth that concerns a user: exactly one of its two forms is set. On the wire they are told apart
// by the key mode, which only a mitra's has.
type State struct {
	Mitra    *MitraState
	Customer *CustomerState
}

// MitraState is the state of a mitra.
type MitraState struct {
	Mode        Mode
	Capacity    int // sessions it holds now
	MaxCapacity int
	Offers      []Offer   // open ones, oldest first
	Sessions    []Session // live ones, oldest first
}

func (m *MitraState) fields(f *fields) {
	f.word("mode", required, (*string)(&m.Mode), modes)
	f.count("capacity", &m.Capacity)
	f.count("max_capacity", &m.MaxCapacity)
	f.offers("offers", &m.Offers)
	f.sessions("sessions", &m.Sessions)
}

// CustomerState is the state of a customer.
type CustomerState struct {
	Session   *Session // the live one, if any
	Available int
}

func (m *CustomerState) fields(f *fields) {
	f.session("session", optional, &m.Session)
	f.count("available", &m.Available)
}
