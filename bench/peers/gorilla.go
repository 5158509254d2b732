package main

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorillaConn adds what gorilla asks of its users: one writer at a time.
type gorillaConn struct {
	*websocket.Conn
	mu sync.Mutex
}

// serveGorilla uses what its documentation names for many connections: small buffers, a pool for writing, prepared messages.
func serveGorilla(addr string) error {
	all := newCrowd[*gorillaConn]()
	upgrader := websocket.Upgrader{ReadBufferSize: 256, WriteBufferSize: 256, WriteBufferPool: &sync.Pool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		go gorillaRead(&gorillaConn{Conn: conn}, all) // so that net/http's buffers can go
	})
	return http.ListenAndServe(addr, mux)
}

func gorillaRead(c *gorillaConn, all *crowd[*gorillaConn]) {
	defer c.Close()
	all.add(c)
	defer all.remove(c)
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			return
		}
		switch b[0] {
		case wantsAnswer:
			c.mu.Lock()
			err = c.WriteMessage(websocket.BinaryMessage, b[:answerBytes])
			c.mu.Unlock()
		case wantsBroadcast:
			prepared, prepareErr := websocket.NewPreparedMessage(websocket.BinaryMessage, b[:eventBytes])
			if prepareErr != nil {
				return
			}
			all.each(func(other *gorillaConn) {
				other.mu.Lock()
				_ = other.WritePreparedMessage(prepared)
				other.mu.Unlock()
			})
		}
		if err != nil {
			return
		}
	}
}
