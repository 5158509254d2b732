package main

import (
	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
)

// gnetHandler speaks WebSocket by the floor's parser, since gnet itself speaks none.
type gnetHandler struct {
	gnet.BuiltinEventEngine
	all *crowd[gnet.Conn]
}

func serveGnet(addr string) error {
	return gnet.Run(&gnetHandler{all: newCrowd[gnet.Conn]()}, "tcp://"+addr,
		gnet.WithMulticore(true), gnet.WithReusePort(true), gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithLogLevel(logging.FatalLevel))
}

func (h *gnetHandler) OnClose(c gnet.Conn, _ error) gnet.Action {
	h.all.remove(c)
	return gnet.None
}

func (h *gnetHandler) OnTraffic(c gnet.Conn) gnet.Action {
	data, _ := c.Peek(-1)
	rest := data
	var out []byte
	if c.Context() == nil {
		if out, rest = upgrade(nil, data); out == nil {
			return gnet.None
		}
		c.SetContext(true)
		h.all.add(c)
	}
	for {
		opcode, payload, behind, whole := cutFrame(rest)
		if !whole {
			break
		}
		rest = behind
		switch {
		case opcode == opClose:
			return gnet.Close
		case opcode == opPing:
			out = appendFrame(out, opPong, payload)
		case opcode == opBinary && payload[0] == wantsAnswer:
			out = appendFrame(out, opBinary, payload[:answerBytes])
		case opcode == opBinary && payload[0] == wantsBroadcast:
			frame := appendFrame(nil, opBinary, payload[:eventBytes])
			h.all.each(func(other gnet.Conn) { _ = other.AsyncWrite(frame, nil) })
		}
	}
	_, _ = c.Discard(len(data) - len(rest))
	if len(out) > 0 {
		_, _ = c.Write(out)
	}
	return gnet.None
}
