package protocol

// Mode is a mitra's own switch.
type Mode string

// The modes. Finishing: no new offers, offline by itself after the last session.
const (
	ModeOnline    Mode = "online"
	ModeFinishing Mode = "finishing"
	ModeOffline   Mode = "offline"
)

// PresenceReason says why a mitra's mode changed.
type PresenceReason string

// The reasons of presence.update.
const (
	PresenceSelf             PresenceReason = "self"
	PresenceFinished         PresenceReason = "finished" // the last session of a finishing mitra is over
	PresenceHeartbeatTimeout PresenceReason = "heartbeat_timeout"
	PresenceIgnoredOffers    PresenceReason = "ignored_offers"
	PresenceDeactivated      PresenceReason = "deactivated"
	PresenceOperator         PresenceReason = "operator"
)

var (
	modes           = []string{string(ModeOnline), string(ModeFinishing), string(ModeOffline)}
	presenceReasons = []string{
		string(PresenceSelf), string(PresenceFinished), string(PresenceHeartbeatTimeout),
		string(PresenceIgnoredOffers), string(PresenceDeactivated), string(PresenceOperator),
	}
)

// PresenceSet switches the mitra's mode.
type PresenceSet struct {
	Mode Mode
}

// Kind is KindPresenceSet.
func (PresenceSet) Kind() Kind { return KindPresenceSet }

// Append appends the frame.
func (m PresenceSet) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindPresenceSet, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *PresenceSet) Decode(body []byte) error {
	*m = PresenceSet{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *PresenceSet) fields(f *fields) {
	f.choice("mode", required, (*string)(&m.Mode), modes)
}

// PresenceUpdate tells a mitra that its mode changed.
type PresenceUpdate struct {
	Mode    Mode
	Reason  PresenceReason
	Version int64 // of the mitra; only grows
	At      int64 // Unix ms
}

// Kind is KindPresenceUpdate.
func (PresenceUpdate) Kind() Kind { return KindPresenceUpdate }

// Append appends the frame.
func (m PresenceUpdate) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindPresenceUpdate, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *PresenceUpdate) Decode(body []byte) error {
	*m = PresenceUpdate{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *PresenceUpdate) fields(f *fields) {
	f.word("mode", required, (*string)(&m.Mode), modes)
	f.word("reason", required, (*string)(&m.Reason), presenceReasons)
	f.number("version", required, &m.Version)
	f.time("at", required, &m.At)
}

// AvailabilitySubscribe starts the stream of available counts.
type AvailabilitySubscribe struct{}

// Kind is KindAvailabilitySubscribe.
func (AvailabilitySubscribe) Kind() Kind { return KindAvailabilitySubscribe }

// Append appends the frame.
func (AvailabilitySubscribe) Append(dst []byte, id uint32) []byte {
	return appendBare(dst, KindAvailabilitySubscribe, id)
}

// Decode checks that the body is a map or absent.
func (*AvailabilitySubscribe) Decode(body []byte) error { return decodeBare(body) }

func (*AvailabilitySubscribe) fields(*fields) {}

// AvailabilityUnsubscribe ends the stream of available counts.
type AvailabilityUnsubscribe struct{}

// Kind is KindAvailabilityUnsubscribe.
func (AvailabilityUnsubscribe) Kind() Kind { return KindAvailabilityUnsubscribe }

// Append appends the frame.
func (AvailabilityUnsubscribe) Append(dst []byte, id uint32) []byte {
	return appendBare(dst, KindAvailabilityUnsubscribe, id)
}

// Decode checks that the body is a map or absent.
func (*AvailabilityUnsubscribe) Decode(body []byte) error { return decodeBare(body) }

func (*AvailabilityUnsubscribe) fields(*fields) {}

// Availability is how many mitras can be asked now.
type Availability struct {
	Available int
	At        int64 // Unix ms
}

// Kind is KindAvailability.
func (Availability) Kind() Kind { return KindAvailability }

// Append appends the frame.
func (m Availability) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindAvailability, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Availability) Decode(body []byte) error {
	*m = Availability{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Availability) fields(f *fields) {
	f.count("available", &m.Available)
	f.time("at", required, &m.At)
}
