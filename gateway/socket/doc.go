// Package socket is the public port: it accepts connections in event loops, turns upgrade requests into WebSocket
// connections (RFC 6455) and hands everything else to net/http.
package socket
