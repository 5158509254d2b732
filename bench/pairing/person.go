package pairing

import (
	"strconv"
	"sync"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// person is one socket: a customer's, or a mitra's.
type person struct {
	crowd  *Crowd
	seat   Seat
	number int
	mitra  bool
	socket *client.Socket

	mu      sync.Mutex // guards what follows
	id      uint32     // of the last message that wants an answer
	asked   map[uint32]asking
	trial   *trial // of a customer: its request; of a mitra: what it accepted
	session protocol.UUID
}

// asking is what an answer is to.
type asking struct {
	trial  *trial
	accept time.Time // zero: it is no accept
}

type message interface {
	Append(dst []byte, id uint32) []byte
}

// send sends a message whose answer is awaited.
func (p *person) send(m message, a asking) {
	p.mu.Lock()
	p.id++
	if p.asked == nil {
		p.asked = map[uint32]asking{}
	}
	p.asked[p.id] = a
	frame := m.Append(nil, p.id)
	p.mu.Unlock()
	_ = p.socket.Send(frame) // read notices a socket that is gone
}

// ask is a customer's request. Its number travels as the note, which mitras are shown.
func (p *person) ask(number int, t *trial) {
	p.mu.Lock()
	p.trial = t
	p.mu.Unlock()
	note := strconv.Itoa(number)
	key := strconv.FormatInt(t.due.UnixNano(), 36) + "-" + strconv.Itoa(p.number)
	p.send(protocol.PairingRequest{RequestKey: key, PackageID: p.crowd.cfg.Package, Note: note}, asking{trial: t})
}

func (p *person) read() {
	for {
		msg, at, err := p.socket.Read()
		if err == nil {
			err = p.heed(msg, at)
		}
		if err != nil {
			p.crowd.breaks(p, err)
			p.socket.Cut()
			return
		}
	}
}

func (p *person) heed(msg []byte, at time.Time) error {
	frame, err := protocol.ParseFromServer(msg)
	if err != nil {
		return err
	}
	switch frame.Kind {
	case protocol.KindAck:
		if a := p.answered(frame.ID); !a.accept.IsZero() {
			p.crowd.took(a, at)
		}
	case protocol.KindError:
		var e protocol.Error
		if err := e.Decode(frame.Body); err != nil {
			return err
		}
		p.refused(p.answered(frame.ID), e.Code)
	case protocol.KindOffer:
		var o protocol.Offer
		if err := o.Decode(frame.Body); err != nil {
			return err
		}
		p.offered(o, at)
	case protocol.KindSessionUpdate:
		var u protocol.SessionUpdate
		if err := u.Decode(frame.Body); err != nil {
			return err
		}
		p.updated(&u.Session, at)
	}
	return nil
}

func (p *person) answered(id uint32) asking {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.asked[id]
	delete(p.asked, id)
	return a
}

// refused: the customer is free again, or the mitra; somebody else may accept.
func (p *person) refused(a asking, code protocol.ErrorCode) {
	if a.trial == nil {
		return
	}
	c := p.crowd
	c.mu.Lock()
	a.trial.result.Refused[code]++
	a.trial.claimed = a.trial.claimed && !p.mitra
	c.mu.Unlock()
	p.mu.Lock()
	p.trial = nil
	p.mu.Unlock()
	if !p.mitra {
		c.free <- p
	}
}

// offered confirms an offer as the app does, and accepts it unless somebody does already, or this mitra has a session.
func (p *person) offered(o protocol.Offer, at time.Time) {
	p.send(protocol.OfferReceived{OfferID: o.OfferID}, asking{})
	number, err := strconv.Atoi(o.Note)
	if err != nil {
		return
	}
	p.mu.Lock()
	busy := p.trial != nil
	p.mu.Unlock()
	t := p.crowd.claim(number, busy, at)
	if t == nil {
		return
	}
	p.mu.Lock()
	p.trial = t
	p.mu.Unlock()
	p.send(protocol.OfferAccept{OfferID: o.OfferID}, asking{trial: t, accept: at})
}

// updated follows the customer's session, and the mitra's.
func (p *person) updated(s *protocol.Session, at time.Time) {
	p.mu.Lock()
	t := p.trial
	over := t != nil && s.Status.Terminal()
	if over {
		p.trial = nil
	}
	begun := s.Status == protocol.StatusActive && p.session != s.SessionID && !p.mitra
	if begun {
		p.session = s.SessionID
	}
	p.mu.Unlock()
	switch {
	case over && !p.mitra:
		p.crowd.free <- p
	case begun && t != nil:
		p.crowd.told(t, at)
		id := s.SessionID
		time.AfterFunc(p.crowd.cfg.Talk, func() { p.send(protocol.SessionEnd{SessionID: id}, asking{}) })
	}
}

// claim notes the arrival of an offer and gives its request to a mitra that is free, unless another one has it.
func (c *Crowd) claim(number int, busy bool, at time.Time) *trial {
	c.mu.Lock()
	defer c.mu.Unlock()
	number -= c.first
	if number < 0 || number >= len(c.trials) {
		return nil
	}
	t := c.trials[number]
	if !t.offered {
		t.offered = true
		t.result.FirstOffer.Add(at.Sub(t.due))
	}
	if busy || t.claimed {
		return nil
	}
	t.claimed, t.accepted = true, at
	return t
}

func (c *Crowd) took(a asking, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.trial.result.Accepted.Add(at.Sub(a.accept))
}

func (c *Crowd) told(t *trial, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.told {
		return
	}
	t.told = true
	t.result.Paired++
	t.result.Told.Add(at.Sub(t.accepted))
	t.result.Whole.Add(at.Sub(t.due))
}
