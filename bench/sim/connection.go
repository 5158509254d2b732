package sim

import (
	"context"
	"errors"
	"time"

	"github.com/halobestie/bestie-gateway/bench/client"
	"github.com/halobestie/bestie-gateway/protocol"
)

// connect dials this client's target, another one after each failure.
func (a *actor) connect(ctx context.Context, failures int) (err error) {
	targets := a.world.opts.Targets
	a.dialed, a.welcome, a.reconnect = time.Now(), false, time.Time{}
	a.socket, err = client.Dial(ctx, client.Dialing{
		Target: targets[(a.number+failures)%len(targets)], Token: a.account.AccessToken, Number: a.number,
	})
	return err
}

// receive reads a socket until it ends, and closes inbox.
func receive(socket *client.Socket, inbox chan<- inbound) {
	defer close(inbox)
	for {
		msg, at, err := socket.Read()
		in := inbound{at: at, err: err}
		if err == nil {
			in.id, in.message, in.err = decode(msg)
		}
		inbox <- in
		if in.err != nil {
			socket.Cut()
			return
		}
	}
}

// decode reads a frame; what is not of this protocol ends the connection.
func decode(msg []byte) (uint32, protocol.Message, error) {
	frame, err := protocol.ParseFromServer(msg)
	if err != nil {
		return 0, nil, &client.Closed{Code: protocol.CloseNotMsgpack, Reason: "from the gateway: " + err.Error()}
	}
	spec, ok := protocol.Lookup(frame.Kind)
	if !ok || spec.Direction != protocol.ToClient {
		return frame.ID, nil, nil
	}
	m := spec.New()
	if err := m.Decode(frame.Body); err != nil {
		return 0, nil, &client.Closed{Code: protocol.CloseNotMsgpack, Reason: spec.Name + " from the gateway: " + err.Error()}
	}
	return frame.ID, m, nil
}

// beat sends a heartbeat, and the next one after it.
func (a *actor) beat(every time.Duration) {
	a.in(every, func() { a.beat(every) })
	if !a.welcome || a.socket == nil {
		return
	}
	a.world.meters.heartbeats.Add(1)
	a.ask(&protocol.Heartbeat{}, func(got answer) {
		if got.err == nil {
			a.lastBeat = got.at
			a.world.meters.heartbeat.add(got.at.Sub(got.sent))
		}
	})
}

// refresh gets a new token and gives it to the gateway.
func (a *actor) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), a.world.opts.AnswerTimeout)
	defer cancel()
	account, err := a.world.apis[a.number%len(a.world.apis)].Refresh(ctx, a.account)
	if err != nil {
		a.noteTrouble(err)
		return
	}
	a.account = account
	if a.welcome {
		a.ask(&protocol.AuthRefresh{Token: account.AccessToken}, nil)
	}
}

// judge decides what follows the end of a connection: when to come back, and whether it should have ended at all.
func (a *actor) judge(ctx context.Context, err error, failures int) (delay time.Duration, again bool) {
	backoff := min(100*time.Millisecond<<min(failures, 6), 5*time.Second)
	backoff = backoff/2 + a.dice.upTo(backoff)
	var closed *client.Closed
	if !errors.As(err, &closed) { // it did not come up: the instance is full, draining or gone
		a.world.meters.refused.Add(1)
		return backoff, true
	}
	switch action := closed.Code.Action(); {
	case closed.Code == protocol.CloseRestart && !a.reconnect.IsZero():
		return time.Until(a.reconnect), true
	case action == protocol.ActionReconnect:
		return 0, true
	case action == protocol.ActionRefresh:
		a.refresh()
		return 0, ctx.Err() == nil
	case action == protocol.ActionAny:
		return backoff, true
	case closed.Code == client.Dropped && a.world.opts.During != nil:
		return backoff, true
	default:
		a.breach(SocketsStay, "%s: %v", a.name, closed)
		return max(backoff, time.Until(a.reconnect)), action != protocol.ActionStop && action != protocol.ActionSignIn
	}
}
