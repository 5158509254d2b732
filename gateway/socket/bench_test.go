package socket_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// These benchmarks pay for both ends on one machine: they are for comparing two commits. For figures of the server alone see
// package bench.

// BenchmarkHandshake is a connection: accept, upgrade, close.
func BenchmarkHandshake(b *testing.B) {
	g := newGateway()
	b.Cleanup(func() { close(g.opened) }) // after the server's end
	go drainEnds(g)
	s := serve(b, generous(), g)
	response := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		conn, err := net.Dial("tcp", s.Addr().String())
		require.NoError(b, err)
		conn.Write([]byte(upgradeHead))
		conn.Read(response)
		conn.(*net.TCPConn).SetLinger(0) // no TIME_WAIT, or ports run out
		conn.Close()
	}
}

func drainEnds(g *gateway) {
	for range g.opened {
		<-g.closed
	}
}

// BenchmarkEcho is a message of 3 bytes and its answer, one at a time.
func BenchmarkEcho(b *testing.B) {
	s := serve(b, generous(), newGateway())
	c := connect(b, s)
	frame, answer := binaryFrame([]byte{0x92, 1, 0}), make([]byte, 5)
	b.ReportAllocs()
	for b.Loop() {
		c.Conn.Write(frame)
		if _, err := io.ReadFull(c.Conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEchoPipelined is 100 messages in one packet and their answers.
func BenchmarkEchoPipelined(b *testing.B) {
	s := serve(b, generous(), newGateway())
	c := connect(b, s)
	frames, answers := bytes.Repeat(masked(0x89, nil), 100), make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		c.Conn.Write(frames)
		if _, err := io.ReadFull(c.Conn, answers); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFanOut is 64 bytes to each of 1,000 connections, per delivery.
func BenchmarkFanOut(b *testing.B) {
	const n = 1000
	g := newGateway()
	s := serve(b, generous(), g)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = connect(b, s)
		within(b, g.opened)
	}
	answer := make([]byte, 66)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%n == 0 {
			frame := socket.Share(make([]byte, 64))
			for loop := range s.Loops() {
				s.Each(loop, func(c *socket.Conn) bool {
					c.SendLatest(frame)
					return true
				})
			}
		}
		if _, err := io.ReadFull(clients[i%n].Conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}
