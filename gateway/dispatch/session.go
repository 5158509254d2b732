package dispatch

import (
	"context"
	"time"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/core/chat"
	"github.com/halobestie/bestie-gateway/protocol"
)

func (d *Dispatcher) sessionEnd(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.SessionEnd
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	session, err := d.rooms.Chat.End(ctx, core.SessionID(m.SessionID), from.Principal(), m.Reason)
	return d.ackSession(from, session, err)
}

func (d *Dispatcher) sessionExtend(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.SessionExtend
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	session, err := d.rooms.Chat.Extend(ctx, chat.Extension{
		SessionID:  core.SessionID(m.SessionID),
		CustomerID: from.Principal().Customer(),
		PackageID:  core.PackageID(m.PackageID),
		Key:        m.RequestKey,
	})
	ack, err := d.ackSession(from, session, err)
	if err == nil {
		ack.Payment = ack.Session.Payment
	}
	return ack, err
}

func (d *Dispatcher) sessionReroute(ctx context.Context, from Caller, body []byte) (protocol.Ack, error) {
	var m protocol.SessionReroute
	if err := m.Decode(body); err != nil {
		return protocol.Ack{}, err
	}
	session, err := d.rooms.Chat.Reroute(ctx, core.SessionID(m.SessionID), from.Principal(), m.Reason)
	return d.ackSession(from, session, err)
}

// ackSession answers with the session in the caller's form.
func (d *Dispatcher) ackSession(from Caller, s chat.Session, err error) (protocol.Ack, error) {
	if err != nil {
		return protocol.Ack{}, err
	}
	return protocol.Ack{Session: sessionView(s, from.Principal().Type, d.clock())}, nil
}

// sessionView is a session as one of its two sides may see it: the customer sees money and the mitra's name, the mitra
// sees the customer's name and no money.
func sessionView(s chat.Session, viewer core.UserType, now time.Time) *protocol.Session {
	view := &protocol.Session{
		SessionID:       protocol.UUID(s.ID),
		Version:         s.Version,
		Status:          protocol.SessionStatus(s.Status),
		DurationMinutes: s.Minutes,
		StartedAt:       millis(s.StartedAt),
		EndsAt:          millis(s.EndsAt),
		EndingSoon:      s.EndingSoon,
		DeadlineAt:      millis(s.DeadlineAt),
		EndReason:       protocol.EndReason(s.EndReason),
		ServerTime:      millis(now),
	}
	if !s.MitraID.IsZero() {
		view.Mitra = &protocol.MitraParty{MitraID: protocol.UUID(s.MitraID), DisplayName: s.MitraName}
	}
	if viewer == core.Mitra {
		view.Customer = &protocol.CustomerParty{DisplayName: s.CustomerName}
		return view
	}
	price := s.Price
	view.Price = &price
	view.Payment = paymentView(s.Payment)
	return view
}

// paymentView is what a customer sees of an invoice; nil when there is none.
func paymentView(p *chat.Payment) *protocol.Payment {
	if p == nil {
		return nil
	}
	return &protocol.Payment{
		PaymentID:   protocol.UUID(p.ID),
		Status:      protocol.PaymentStatus(p.Status),
		CheckoutURL: p.CheckoutURL,
		ExpiresAt:   millis(p.ExpiresAt),
	}
}

// millis is a time on the wire: Unix milliseconds, 0 for "not set".
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// sessionUpdate is core.SessionUpdated on the wire.
func sessionUpdate(s chat.Session, viewer core.UserType, now time.Time) protocol.SessionUpdate {
	return protocol.SessionUpdate{Session: *sessionView(s, viewer, now)}
}
