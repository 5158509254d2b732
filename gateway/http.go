package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// newHTTP serves what the loops hand over: every request that is no upgrade.
func newHTTP(s *Server, next http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == s.cfg.Socket.Path {
				s.adopt(w, r)
				return
			}
			next.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// adopt takes an upgrade on a connection that carried REST before (a proxy may reuse one) into a loop. What asks for
// the sockets' path without wanting a socket is told to.
func (s *Server) adopt(w http.ResponseWriter, r *http.Request) {
	hijacker, can := w.(http.Hijacker)
	if !can || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUpgradeRequired)
		_, _ = io.WriteString(w, `{"error":{"code":"UPGRADE_REQUIRED","message":"this path is for WebSocket upgrades"}}`)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		http.Error(w, "cannot upgrade", http.StatusInternalServerError)
		return
	}
	_ = conn.SetDeadline(time.Time{})                             // net/http's timeouts do not hold for sockets
	behind, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // frames that came along
	if err := s.sock.Load().Adopt(conn, r, behind); err != nil {
		s.stats.notAdopted.Add(1)
	}
}

// serveHTTP serves until ctx ends, then lets requests under way finish for a moment. The listener may be closed before this
// function hears of the end: that is no failure.
func (s *Server) serveHTTP(ctx context.Context, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(listener) }()
	select {
	case err := <-served:
		if ctx.Err() == nil {
			return err
		}
		served <- err
	case <-ctx.Done():
	}
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second/2)
	defer cancel()
	if s.http.Shutdown(brief) != nil {
		_ = s.http.Close()
	}
	<-served
	return nil
}
