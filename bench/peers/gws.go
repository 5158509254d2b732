package main

import (
	"io"
	"log"

	"github.com/lxzan/gws"
)

// gwsHandler is lxzan/gws as its README has it: a server of its own, messages closed after use, a broadcaster for many.
type gwsHandler struct {
	gws.BuiltinEventHandler
	all *crowd[*gws.Conn]
}

func serveGWS(addr string) error {
	log.SetOutput(io.Discard)
	return gws.NewServer(&gwsHandler{all: newCrowd[*gws.Conn]()}, &gws.ServerOption{Logger: quiet{}}).Run(addr)
}

type quiet struct{}

func (quiet) Error(...any) {}

func (h *gwsHandler) OnOpen(c *gws.Conn)           { h.all.add(c) }
func (h *gwsHandler) OnClose(c *gws.Conn, _ error) { h.all.remove(c) }
func (h *gwsHandler) OnPing(c *gws.Conn, b []byte) { _ = c.WritePong(b) }

func (h *gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	switch b := m.Bytes(); b[0] {
	case wantsAnswer:
		_ = c.WriteMessage(gws.OpcodeBinary, b[:answerBytes])
	case wantsBroadcast:
		broadcaster := gws.NewBroadcaster(gws.OpcodeBinary, append([]byte{}, b[:eventBytes]...))
		h.all.each(func(other *gws.Conn) { _ = broadcaster.Broadcast(other) })
		_ = broadcaster.Close()
	}
}
