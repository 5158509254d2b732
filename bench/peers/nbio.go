package main

import (
	"net/http"
	"time"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

// serveNbio is nbio as its examples for many connections have it.
func serveNbio(addr string) error {
	logging.SetLevel(logging.LevelNone)
	all := newCrowd[*websocket.Conn]()
	upgrader := websocket.NewUpgrader()
	upgrader.KeepaliveTime = time.Hour
	upgrader.OnOpen(all.add)
	upgrader.OnClose(func(c *websocket.Conn, _ error) { all.remove(c) })
	upgrader.OnMessage(func(c *websocket.Conn, _ websocket.MessageType, b []byte) {
		switch b[0] {
		case wantsAnswer:
			_ = c.WriteMessage(websocket.BinaryMessage, b[:answerBytes])
		case wantsBroadcast:
			all.each(func(other *websocket.Conn) { _ = other.WriteMessage(websocket.BinaryMessage, b[:eventBytes]) })
		}
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) { _, _ = upgrader.Upgrade(w, r, nil) })
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp", Addrs: []string{addr}, MaxLoad: 1 << 20, ReleaseWebsocketPayload: true, Handler: mux,
	})
	if err := engine.Start(); err != nil {
		return err
	}
	select {}
}
