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
	Reason    string // at most 500 characters; "": absent
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
	f.text("reason", optional, &m.Reason, 0, maxReason)
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
	Reason    string // at most 500 characters; "": absent
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
	f.text("reason", optional, &m.Reason, 0, maxReason)
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
