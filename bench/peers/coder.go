package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

func serveCoder(addr string) error {
	all := newCrowd[*websocket.Conn]()
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return
		}
		defer c.CloseNow()
		all.add(c)
		defer all.remove(c)
		for ctx := context.Background(); ; {
			_, b, err := c.Read(ctx)
			if err != nil {
				return
			}
			switch b[0] {
			case wantsAnswer:
				err = c.Write(ctx, websocket.MessageBinary, b[:answerBytes])
			case wantsBroadcast:
				all.each(func(other *websocket.Conn) { _ = other.Write(ctx, websocket.MessageBinary, b[:eventBytes]) })
			}
			if err != nil {
				return
			}
		}
	})
	return http.ListenAndServe(addr, mux)
}
