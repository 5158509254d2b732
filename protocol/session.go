package protocol

// SessionStatus is where a session is in its life.
type SessionStatus string

// The statuses. Nothing leaves the last three.
const (
	StatusSearching      SessionStatus = "searching"
	StatusPendingPayment SessionStatus = "pending_payment"
	StatusActive         SessionStatus = "active"
	StatusEnded          SessionStatus = "ended"
	StatusCancelled      SessionStatus = "cancelled"
	StatusUnmatched      SessionStatus = "unmatched"
)

// EndReason says why a session is over.
type EndReason string

// The reasons of end_reason.
const (
	EndExpired        EndReason = "expired"
	EndCustomer       EndReason = "customer"
	EndMitra          EndReason = "mitra"
	EndOperator       EndReason = "operator"
	EndPaymentTimeout EndReason = "payment_timeout"
	EndNoMitra        EndReason = "no_mitra"
	EndAccountDeleted EndReason = "account_deleted"
	EndDeactivated    EndReason = "deactivated"
)

// PaymentStatus is where a payment is in its life.
type PaymentStatus string

// The statuses of a payment.
const (
	PaymentOpening   PaymentStatus = "opening" // the vendor has not answered yet: no checkout_url
	PaymentOpen      PaymentStatus = "open"
	PaymentPaid      PaymentStatus = "paid"
	PaymentExpired   PaymentStatus = "expired"
	PaymentCancelled PaymentStatus = "cancelled"
	PaymentFailed    PaymentStatus = "failed"
	PaymentRefunded  PaymentStatus = "refunded"
)

var (
	statuses = []string{
		string(StatusSearching), string(StatusPendingPayment), string(StatusActive),
		string(StatusEnded), string(StatusCancelled), string(StatusUnmatched),
	}
	endReasons = []string{
		string(EndExpired), string(EndCustomer), string(EndMitra), string(EndOperator),
		string(EndPaymentTimeout), string(EndNoMitra), string(EndAccountDeleted), string(EndDeactivated),
	}
	paymentStatuses = []string{
		string(PaymentOpening), string(PaymentOpen), string(PaymentPaid), string(PaymentExpired),
		string(PaymentCancelled), string(PaymentFailed), string(PaymentRefunded),
	}
)

// Terminal tells whether nothing leaves the status any more.
func (s SessionStatus) Terminal() bool {
	return s == StatusEnded || s == StatusCancelled || s == StatusUnmatched
}

// SessionEnd ends an active session.
type SessionEnd struct {
	SessionID UUID
	Reason    string // "": absent
}

// Kind is KindSessionEnd.
func (SessionEnd) Kind() Kind { return KindSessionEnd }

// Append appends the frame.
func (m SessionEnd) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindSessionEnd, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *SessionEnd) Decode(body []byte) error {
	*m = SessionEnd{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *SessionEnd) fields(f *fields) {
	f.uuid("session_id", &m.SessionID)
	f.text("reason", optional, &m.Reason, 0, anyLength)
}

// SessionExtend buys more minutes for an active session.
type SessionExtend struct {
	SessionID  UUID
	PackageID  UUID
	RequestKey string // the idempotency key, 1 to 64 characters
}

// Kind is KindSessionExtend.
func (SessionExtend) Kind() Kind { return KindSessionExtend }

// Append appends the frame.
func (m SessionExtend) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindSessionExtend, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *SessionExtend) Decode(body []byte) error {
	*m = SessionExtend{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *SessionExtend) fields(f *fields) {
	f.uuid("session_id", &m.SessionID)
	f.uuid("package_id", &m.PackageID)
	f.text("request_key", required, &m.RequestKey, 1, maxRequestKey)
}

// SessionReroute looks for another mitra for a session.
type SessionReroute struct {
	SessionID UUID
	Reason    string // "": absent
}

// Kind is KindSessionReroute.
func (SessionReroute) Kind() Kind { return KindSessionReroute }

// Append appends the frame.
func (m SessionReroute) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindSessionReroute, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *SessionReroute) Decode(body []byte) error {
	*m = SessionReroute{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *SessionReroute) fields(f *fields) {
	f.uuid("session_id", &m.SessionID)
	f.text("reason", optional, &m.Reason, 0, anyLength)
}

// SessionUpdate is a session as it is now.
type SessionUpdate struct {
	Session Session
}

// Kind is KindSessionUpdate.
func (SessionUpdate) Kind() Kind { return KindSessionUpdate }

// Append appends the frame.
func (m SessionUpdate) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindSessionUpdate, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *SessionUpdate) Decode(body []byte) error {
	*m = SessionUpdate{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *SessionUpdate) fields(f *fields) {
	session := &m.Session
	f.session("session", required, &session)
}

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
