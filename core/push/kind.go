package push

import (
	"strconv"
	"time"
)

// Kind says what a push is about. Apps find it in the data as "type".
type Kind string

// The kinds, and who gets them.
const (
	Offer          Kind = "offer"           // a mitra whose app has not confirmed an offer
	PaymentDue     Kind = "payment_due"     // the customer: a mitra was found, the payment opens the session
	SessionStarted Kind = "session_started" // both sides
	SessionEnded   Kind = "session_ended"   // both sides, also when it was not paid in time; a mitra who lost it to another
	SearchEnded    Kind = "search_ended"    // the customer: nobody was found
	SetOffline     Kind = "set_offline"     // a mitra, by the system or an operator
)

// Life is how long a push is worth sending that has no end of its own.
const Life = 12 * time.Hour

// Channel is the group of notifications that a person can silence on the phone; Android's channel id.
type Channel string

// The channels, as the apps make them.
const (
	Offers   Channel = "offers"
	Sessions Channel = "sessions"
	Account  Channel = "account"
)

// notice is what a kind looks like. The texts are read by anybody who sees the phone.
type notice struct {
	title, body string
	channel     Channel
	urgent      bool // wakes a sleeping phone
}

// notices has a line for each kind. Every one of them is shown: a vendor stops waking phones for pushes that show nothing.
var notices = map[Kind]notice{
	Offer:          {"Ada yang mau curhat", "Ketuk untuk menerima", Offers, true},
	PaymentDue:     {"Bestie ditemukan", "Selesaikan pembayaran untuk memulai", Sessions, true},
	SessionStarted: {"Sesi dimulai", "Ketuk untuk masuk", Sessions, true},
	SessionEnded:   {"Sesi selesai", "Ketuk untuk membuka aplikasi", Sessions, false},
	SearchEnded:    {"Belum ada Bestie yang tersedia", "Ketuk untuk mencoba lagi", Sessions, false},
	SetOffline:     {"Kamu sedang offline", "Ketuk untuk online lagi", Account, false},
}

// Message is a push as a vendor needs it. Data, Title and Body hold nothing that identifies anybody.
type Message struct {
	Token     string
	Platform  Platform
	Title     string
	Body      string
	Data      map[string]string // for the app: type, offer_id or session_id, expires_at (Unix ms) where it has one
	Channel   Channel
	Urgent    bool
	Collapse  string        // a later push with the same one replaces this; at most 64 bytes
	TTL       time.Duration // how long the vendor may keep it for a phone that is off
	ExpiresAt time.Time     // the same as a time
}

// Message is what to send for the push.
func (p Push) Message() Message {
	n := notices[p.Kind]
	m := Message{
		Token: p.Token, Platform: p.Platform, Title: n.title, Body: n.body, Channel: n.channel, Urgent: n.urgent,
		Data: map[string]string{"type": string(p.Kind)}, Collapse: string(p.Kind), TTL: p.Left, ExpiresAt: p.ExpiresAt,
	}
	if !p.OfferID.IsZero() {
		m.Data["offer_id"] = p.OfferID.String()
		m.Data["expires_at"] = strconv.FormatInt(p.ExpiresAt.UnixMilli(), 10)
		m.Collapse = "offer-" + p.OfferID.String()
	}
	if !p.SessionID.IsZero() {
		m.Data["session_id"] = p.SessionID.String()
		m.Collapse = "session-" + p.SessionID.String()
	}
	return m
}
