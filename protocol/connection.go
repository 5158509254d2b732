package protocol

// Limits of the connection family's texts.
const (
	maxToken     = 8192
	maxPushToken = 4096
)

// Platform is what a device runs.
type Platform string

// The platforms of device.register.
const (
	PlatformAndroid Platform = "android"
	PlatformIOS     Platform = "ios"
	PlatformWeb     Platform = "web"
)

var (
	roles     = []string{string(RoleCustomer), string(RoleMitra)}
	platforms = []string{string(PlatformAndroid), string(PlatformIOS), string(PlatformWeb)}
)

// Heartbeat is a sign of life.
type Heartbeat struct{}

// Kind is KindHeartbeat.
func (Heartbeat) Kind() Kind { return KindHeartbeat }

// Append appends the frame.
func (Heartbeat) Append(dst []byte, id uint32) []byte { return appendBare(dst, KindHeartbeat, id) }

// Decode checks that the body is a map or absent.
func (*Heartbeat) Decode(body []byte) error { return decodeBare(body) }

func (*Heartbeat) fields(*fields) {}

// StateGet asks for the state again.
type StateGet struct{}

// Kind is KindStateGet.
func (StateGet) Kind() Kind { return KindStateGet }

// Append appends the frame.
func (StateGet) Append(dst []byte, id uint32) []byte { return appendBare(dst, KindStateGet, id) }

// Decode checks that the body is a map or absent.
func (*StateGet) Decode(body []byte) error { return decodeBare(body) }

func (*StateGet) fields(*fields) {}

// AuthRefresh replaces the socket's access token.
type AuthRefresh struct {
	Token string
}

// Kind is KindAuthRefresh.
func (AuthRefresh) Kind() Kind { return KindAuthRefresh }

// Append appends the frame.
func (m AuthRefresh) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindAuthRefresh, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *AuthRefresh) Decode(body []byte) error {
	*m = AuthRefresh{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *AuthRefresh) fields(f *fields) {
	f.text("token", required, &m.Token, 1, maxToken)
}

// DeviceRegister registers a device for pushes.
type DeviceRegister struct {
	PushToken string
	Platform  Platform
}

// Kind is KindDeviceRegister.
func (DeviceRegister) Kind() Kind { return KindDeviceRegister }

// Append appends the frame.
func (m DeviceRegister) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindDeviceRegister, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *DeviceRegister) Decode(body []byte) error {
	*m = DeviceRegister{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *DeviceRegister) fields(f *fields) {
	f.text("push_token", required, &m.PushToken, 1, maxPushToken)
	f.choice("platform", required, (*string)(&m.Platform), platforms)
}

// Welcome is the first frame of a socket.
type Welcome struct {
	Protocol         string // Subprotocol
	ConnectionID     UUID
	UserID           UUID
	UserType         Role
	ServerTime       int64 // Unix ms
	HeartbeatSeconds int
	MaxMessageBytes  int
	TokenExpiresAt   int64  // Unix ms
	State            *State // nil while Postgres is down: ask with state.get
}

// Kind is KindWelcome.
func (Welcome) Kind() Kind { return KindWelcome }

// Append appends the frame.
func (m Welcome) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindWelcome, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Welcome) Decode(body []byte) error {
	*m = Welcome{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Welcome) fields(f *fields) {
	f.text("protocol", required, &m.Protocol, 1, anyLength)
	f.uuid("connection_id", &m.ConnectionID)
	f.uuid("user_id", &m.UserID)
	f.word("user_type", required, (*string)(&m.UserType), roles)
	f.time("server_time", required, &m.ServerTime)
	f.count("heartbeat_seconds", &m.HeartbeatSeconds)
	f.count("max_message_bytes", &m.MaxMessageBytes)
	f.time("token_expires_at", required, &m.TokenExpiresAt)
	f.state("state", &m.State)
}

// Ack says that a request was done. Which fields are there depends on the request; the table of kinds tells. A request without a
// result is answered by Ack{}.
type Ack struct {
	TokenExpiresAt int64 // Unix ms; auth.refresh. 0: absent
	Mode           Mode  // presence.set. "": absent
	Available      *int  // availability.subscribe
	At             int64 // Unix ms; availability.subscribe. 0: absent
	Session        *Session
	Payment        *Payment // session.extend
	State          *State   // state.get
}

// Kind is KindAck.
func (Ack) Kind() Kind { return KindAck }

// Append appends the frame.
func (m Ack) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindAck, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Ack) Decode(body []byte) error {
	*m = Ack{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Ack) fields(f *fields) {
	f.time("token_expires_at", optional, &m.TokenExpiresAt)
	f.word("mode", optional, (*string)(&m.Mode), modes)
	f.countOrNil("available", &m.Available)
	f.time("at", optional, &m.At)
	f.session("session", optional, &m.Session)
	f.payment("payment", &m.Payment)
	f.state("state", &m.State)
}

// Error says that a request failed, or with id 0 that something about the connection is wrong.
type Error struct {
	Code         ErrorCode
	Message      string   // for a person who develops an app; may change
	Field        string   // with BAD_MESSAGE; "": absent
	RetryAfterMS int64    // 0: absent
	Session      *Session // with WRONG_STATE and SESSION_LIVE
}

// Kind is KindError.
func (Error) Kind() Kind { return KindError }

// Append appends the frame.
func (m Error) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindError, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Error) Decode(body []byte) error {
	*m = Error{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Error) fields(f *fields) {
	f.word("code", required, (*string)(&m.Code), nil)
	f.text("message", required, &m.Message, 0, anyLength)
	f.text("field", optional, &m.Field, 0, anyLength)
	f.number("retry_after_ms", optional, &m.RetryAfterMS)
	f.session("session", optional, &m.Session)
}

// AuthExpiring warns that the token expires soon.
type AuthExpiring struct {
	TokenExpiresAt int64 // Unix ms
}

// Kind is KindAuthExpiring.
func (AuthExpiring) Kind() Kind { return KindAuthExpiring }

// Append appends the frame.
func (m AuthExpiring) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindAuthExpiring, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *AuthExpiring) Decode(body []byte) error {
	*m = AuthExpiring{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *AuthExpiring) fields(f *fields) {
	f.time("token_expires_at", required, &m.TokenExpiresAt)
}

// Draining says that the instance goes away.
type Draining struct {
	ReconnectAfterMS int64 // counted from this frame
}

// Kind is KindDraining.
func (Draining) Kind() Kind { return KindDraining }

// Append appends the frame.
func (m Draining) Append(dst []byte, id uint32) []byte {
	w := startFrame(dst, KindDraining, id)
	m.fields(&w)
	return w.finish()
}

// Decode reads a body; *FieldError.
func (m *Draining) Decode(body []byte) error {
	*m = Draining{}
	r := startBody(body)
	m.fields(&r)
	return r.end()
}

func (m *Draining) fields(f *fields) {
	f.number("reconnect_after_ms", required, &m.ReconnectAfterMS)
}
