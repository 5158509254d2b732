package protocol

// Limits of the pairing family's texts, in characters.
const (
	maxRequestKey = 64
	maxNote       = 500
)

// OfferCloseReason says why an offer is gone.
type OfferCloseReason string

// The reasons of offer.closed.
const (
	OfferTaken     OfferCloseReason = "taken"     // another mitra was first
	OfferExpired   OfferCloseReason = "expired"   // nobody answered in time
	OfferCancelled OfferCloseReason = "cancelled" // the customer gave up
	OfferWithdrawn OfferCloseReason = "withdrawn" // the mitra may not take it any more
)

var offerCloseReasons = []string{string(OfferTaken), string(OfferExpired), string(OfferCancelled), string(OfferWithdrawn)}

// PairingRequest asks for a mitra.
type PairingRequest struct {
	RequestKey string // the idempotency key, 1 to 64 characters
	PackageID  UUID
	Note       string // at most 500 characters; "": absent
}

// Kind is KindPairingRequest.
func (PairingRequest) Kind() Kind { return KindPairingRequest }

// Append appends the frame.
func (m PairingRequest) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindPairingRequest, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *PairingRequest) Decode(body []byte) error {
	*m = PairingRequest{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *PairingRequest) fields(f *fields) {
	f.text("request_key", required, &m.RequestKey, 1, maxRequestKey)
	f.uuid("package_id", &m.PackageID)
	f.text("note", optional, &m.Note, 0, maxNote)
}

// PairingCancel gives a search or an unpaid session up.
type PairingCancel struct {
	SessionID UUID
}

// Kind is KindPairingCancel.
func (PairingCancel) Kind() Kind { return KindPairingCancel }

// Append appends the frame.
func (m PairingCancel) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindPairingCancel, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *PairingCancel) Decode(body []byte) error {
	*m = PairingCancel{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *PairingCancel) fields(f *fields) {
	f.uuid("session_id", &m.SessionID)
}

// Offer asks a mitra to take a customer. It also stands in the state of a mitra.
type Offer struct {
	OfferID         UUID
	SessionID       UUID
	DurationMinutes int
	CustomerName    string
	Note            string // "": absent
	ExpiresAt       int64  // Unix ms
	ServerTime      int64  // Unix ms
}

// Kind is KindOffer.
func (Offer) Kind() Kind { return KindOffer }

// Append appends the frame.
func (m Offer) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindOffer, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Offer) Decode(body []byte) error {
	*m = Offer{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Offer) fields(f *fields) {
	f.uuid("offer_id", &m.OfferID)
	f.uuid("session_id", &m.SessionID)
	f.count("duration_minutes", &m.DurationMinutes)
	f.text("customer_name", required, &m.CustomerName, 0, anyLength)
	f.text("note", optional, &m.Note, 0, anyLength)
	f.time("expires_at", required, &m.ExpiresAt)
	f.time("server_time", required, &m.ServerTime)
}

// OfferReceived is the delivery receipt of an offer.
type OfferReceived struct {
	OfferID UUID
}

// Kind is KindOfferReceived.
func (OfferReceived) Kind() Kind { return KindOfferReceived }

// Append appends the frame.
func (m OfferReceived) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindOfferReceived, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *OfferReceived) Decode(body []byte) error {
	*m = OfferReceived{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *OfferReceived) fields(f *fields) {
	f.uuid("offer_id", &m.OfferID)
}

// OfferAccept takes the customer.
type OfferAccept struct {
	OfferID UUID
}

// Kind is KindOfferAccept.
func (OfferAccept) Kind() Kind { return KindOfferAccept }

// Append appends the frame.
func (m OfferAccept) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindOfferAccept, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *OfferAccept) Decode(body []byte) error {
	*m = OfferAccept{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *OfferAccept) fields(f *fields) {
	f.uuid("offer_id", &m.OfferID)
}

// OfferDecline leaves the customer to others.
type OfferDecline struct {
	OfferID UUID
	Reason  string // "": absent
}

// Kind is KindOfferDecline.
func (OfferDecline) Kind() Kind { return KindOfferDecline }

// Append appends the frame.
func (m OfferDecline) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindOfferDecline, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *OfferDecline) Decode(body []byte) error {
	*m = OfferDecline{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *OfferDecline) fields(f *fields) {
	f.uuid("offer_id", &m.OfferID)
	f.text("reason", optional, &m.Reason, 0, anyLength)
}

// OfferClosed tells a mitra that an offer is gone.
type OfferClosed struct {
	OfferID   UUID
	SessionID UUID
	Reason    OfferCloseReason
}

// Kind is KindOfferClosed.
func (OfferClosed) Kind() Kind { return KindOfferClosed }

// Append appends the frame.
func (m OfferClosed) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindOfferClosed, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *OfferClosed) Decode(body []byte) error {
	*m = OfferClosed{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *OfferClosed) fields(f *fields) {
	f.uuid("offer_id", &m.OfferID)
	f.uuid("session_id", &m.SessionID)
	f.word("reason", required, (*string)(&m.Reason), offerCloseReasons)
}

// Queue tells a customer the position of a search that waits.
type Queue struct {
	SessionID UUID
	Position  int   // from 1
	At        int64 // Unix ms
}

// Kind is KindQueue.
func (Queue) Kind() Kind { return KindQueue }

// Append appends the frame.
func (m Queue) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindQueue, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Queue) Decode(body []byte) error {
	*m = Queue{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Queue) fields(f *fields) {
	f.uuid("session_id", &m.SessionID)
	f.count("position", &m.Position)
	f.time("at", required, &m.At)
}
