package socket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/gateway/socket"
)

// limit is MaxMessageBytes here: above 65535, so that every form of a length can be sent.
const limit = 70_000

// violation is one conversation: what the client sends, in raw bytes, and everything that the server must answer before it
// hangs up: "bin …", "pong …", "close <code>". Without a close at the end the client closes with 1000 itself.
type violation struct {
	name string
	send []byte
	want []string
}

// TestConformance holds the server against RFC 6455, section by section. Every case is sent at once and byte by byte.
func TestConformance(t *testing.T) {
	t.Parallel()
	cfg := generous()
	cfg.MaxMessageBytes = limit
	s := serve(t, cfg, newGateway())
	cases := conversations()
	require.Greater(t, len(cases), 100)
	t.Run("group", func(t *testing.T) { // its cases end before the server does
		for _, v := range cases {
			deliveries := map[string]int{"whole": len(v.send) + 1, "bytewise": 1}
			if len(v.send) > 1000 {
				deliveries["bytewise"] = 997 // not a divisor of anything
			}
			for how, step := range deliveries {
				t.Run(v.name+"/"+how, func(t *testing.T) {
					t.Parallel()
					converse(t, s, v, step)
				})
			}
		}
	})
}

func converse(t *testing.T, s *socket.Server, v violation, step int) {
	c := connect(t, s)
	send, want := v.send, v.want
	if len(want) == 0 || !strings.HasPrefix(want[len(want)-1], "close") {
		send = cat(send, closeFrame(1000, ""))
		want = append(want[:len(want):len(want)], "close 1000")
	}
	go func() {
		for len(send) > 0 {
			n := min(step, len(send))
			if _, err := c.Write(send[:n]); err != nil {
				return // the server had enough
			}
			send = send[n:]
		}
	}()
	var got []string
	for {
		f, err := c.readFrame()
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			break
		}
		require.NoError(t, err)
		got = append(got, describe(f))
		if f.Header.OpCode == ws.OpClose {
			c.Conn.(interface{ CloseWrite() error }).CloseWrite()
		}
	}
	require.Equal(t, want, got)
}

func describe(f ws.Frame) string {
	switch f.Header.OpCode {
	case ws.OpBinary:
		return bin(f.Payload)
	case ws.OpPong:
		return "pong " + string(f.Payload)
	case ws.OpClose:
		if len(f.Payload) == 0 {
			return "close"
		}
		return fmt.Sprint("close ", binary.BigEndian.Uint16(f.Payload))
	}
	return fmt.Sprint("opcode ", f.Header.OpCode)
}

func bin(payload []byte) string {
	if len(payload) > 64 {
		return fmt.Sprintf("bin %d bytes", len(payload))
	}
	return "bin " + string(payload)
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// header is a client's frame header with a length in a form of choice: 0 for 7 bits, 2 or 8 for so many bytes.
func header(first byte, form int, length uint64) []byte {
	b := []byte{first}
	switch form {
	case 0:
		b = append(b, 0x80|byte(length))
	case 2:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	case 8:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	return append(b, mask[:]...)
}

func conversations() []violation {
	var all []violation
	for _, section := range [][]violation{
		messages(), fragments(), pings(), badHeaders(), lengths(), closes(), afterwards(),
	} {
		all = append(all, section...)
	}
	return all
}

func messages() (cases []violation) {
	for _, n := range []int{0, 1, 2, 3, 4, 15, 16, 17, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, limit - 1, limit} {
		payload := bytes.Repeat([]byte{'x'}, n)
		cases = append(cases, violation{fmt.Sprintf("message of %d bytes", n), binaryFrame(payload), []string{bin(payload)}})
	}
	two := cat(binaryFrame([]byte("a")), binaryFrame([]byte("b")))
	return append(cases,
		violation{"no message at all", nil, nil},
		violation{"two messages", two, []string{"bin a", "bin b"}},
		violation{"all octets", binaryFrame([]byte("\x00\xff\xfe\x80")), []string{"bin \x00\xff\xfe\x80"}},
		violation{"a mask of zeros", []byte{0x82, 0x82, 0, 0, 0, 0, 'o', 'k'}, []string{"bin ok"}},
		violation{"a message before a violation is answered", cat(binaryFrame([]byte("a")), masked(0x83, nil)), []string{"bin a", "close 1002"}},
		// 5.6: this server speaks binary only.
		violation{"text", masked(0x81, []byte("hello")), []string{"close 1003"}},
		violation{"text, empty", masked(0x81, nil), []string{"close 1003"}},
		violation{"text, not UTF-8", masked(0x81, []byte{0xff}), []string{"close 1003"}},
		violation{"text, fragmented", masked(0x01, []byte("hel")), []string{"close 1003"}},
		violation{"text, too long", header(0x81, 8, limit+1), []string{"close 1003"}},
		violation{"text after a message", cat(binaryFrame([]byte("a")), masked(0x81, []byte("b"))), []string{"bin a", "close 1003"}},
	)
}

// fragments is 5.4.
func fragments() []violation {
	half := bytes.Repeat([]byte{'h'}, limit/2)
	hundred := masked(0x02, []byte{'0'})
	for range 98 {
		hundred = cat(hundred, masked(0x00, []byte{'1'}))
	}
	hundred = cat(hundred, masked(0x80, []byte{'2'}))
	return []violation{
		{"two", cat(masked(0x02, []byte("ab")), masked(0x80, []byte("cd"))), []string{"bin abcd"}},
		{"three", cat(masked(0x02, []byte("a")), masked(0x00, []byte("b")), masked(0x80, []byte("c"))), []string{"bin abc"}},
		{"a hundred", hundred, []string{"bin 100 bytes"}},
		{"all empty", cat(masked(0x02, nil), masked(0x00, nil), masked(0x80, nil)), []string{"bin "}},
		{"first empty", cat(masked(0x02, nil), masked(0x80, []byte("x"))), []string{"bin x"}},
		{"middle empty", cat(masked(0x02, []byte("a")), masked(0x00, nil), masked(0x80, []byte("b"))), []string{"bin ab"}},
		{"last empty", cat(masked(0x02, []byte("a")), masked(0x80, nil)), []string{"bin a"}},
		{"two messages of fragments", cat(masked(0x02, []byte("a")), masked(0x80, []byte("b")), masked(0x02, []byte("c")), masked(0x80, []byte("d"))), []string{"bin ab", "bin cd"}},
		{"a whole message after fragments", cat(masked(0x02, []byte("a")), masked(0x80, []byte("b")), binaryFrame([]byte("c"))), []string{"bin ab", "bin c"}},
		{"up to the limit", cat(masked(0x02, half), masked(0x80, half)), []string{bin(make([]byte, limit))}},
		{"a ping between", cat(masked(0x02, []byte("a")), masked(0x89, []byte("p")), masked(0x80, []byte("b"))), []string{"pong p", "bin ab"}},
		{"pings between", cat(masked(0x02, []byte("a")), masked(0x89, []byte("1")), masked(0x00, nil), masked(0x89, []byte("2")), masked(0x80, []byte("b"))), []string{"pong 1", "pong 2", "bin ab"}},
		{"a pong between", cat(masked(0x02, []byte("a")), masked(0x8a, []byte("p")), masked(0x80, []byte("b"))), []string{"bin ab"}},
		{"a close between", cat(masked(0x02, []byte("a")), closeFrame(1001, ""), masked(0x80, []byte("b"))), []string{"close 1001"}},
		{"a continuation of nothing", masked(0x80, []byte("a")), []string{"close 1002"}},
		{"a continuation of nothing, empty", masked(0x80, nil), []string{"close 1002"}},
		{"a continuation of nothing that is not the last", masked(0x00, []byte("a")), []string{"close 1002"}},
		{"a continuation of a whole message", cat(binaryFrame([]byte("a")), masked(0x80, []byte("b"))), []string{"bin a", "close 1002"}},
		{"a continuation after the last", cat(masked(0x02, []byte("a")), masked(0x80, []byte("b")), masked(0x80, []byte("c"))), []string{"bin ab", "close 1002"}},
		{"a message inside a message", cat(masked(0x02, []byte("a")), binaryFrame([]byte("b"))), []string{"close 1002"}},
		{"a fragmented message inside a message", cat(masked(0x02, []byte("a")), masked(0x02, []byte("b"))), []string{"close 1002"}},
		{"a text inside a message", cat(masked(0x02, []byte("a")), masked(0x81, []byte("b"))), []string{"close 1002"}},
		{"a message inside empty fragments", cat(masked(0x02, nil), binaryFrame([]byte("b"))), []string{"close 1002"}},
		{"RSV in a continuation", cat(masked(0x02, []byte("a")), masked(0xc0, []byte("b"))), []string{"close 1002"}},
		{"an unmasked continuation", cat(masked(0x02, []byte("a")), []byte{0x80, 1, 'b'}), []string{"close 1002"}},
	}
}

// pings is 5.5.
func pings() []violation {
	long := bytes.Repeat([]byte{'p'}, 125)
	return []violation{
		{"ping", masked(0x89, []byte("p")), []string{"pong p"}},
		{"ping, empty", masked(0x89, nil), []string{"pong "}},
		{"ping of 125 bytes", masked(0x89, long), []string{"pong " + string(long)}},
		{"ping, not UTF-8", masked(0x89, []byte{0xff, 0}), []string{"pong \xff\x00"}},
		{"ten pings", bytes.Repeat(masked(0x89, []byte("p")), 10), strings.Split(strings.Repeat("pong p,", 9)+"pong p", ",")},
		{"ping between messages", cat(binaryFrame([]byte("a")), masked(0x89, nil), binaryFrame([]byte("b"))), []string{"bin a", "pong ", "bin b"}},
		{"pong nobody asked for", masked(0x8a, []byte("x")), nil},
		{"pong, empty", masked(0x8a, nil), nil},
		{"pong of 125 bytes", masked(0x8a, long), nil},
		{"pong, then ping", cat(masked(0x8a, nil), masked(0x89, []byte("p"))), []string{"pong p"}},
		{"ping of 126 bytes", masked(0x89, append(long, 'p')), []string{"close 1002"}},
		{"pong of 126 bytes", masked(0x8a, append(long, 'p')), []string{"close 1002"}},
		{"ping of 64 KiB", header(0x89, 8, 65536), []string{"close 1002"}},
		{"ping with a 16-bit length", cat(header(0x89, 2, 1), []byte("p")), []string{"close 1002"}},
		{"ping with a 64-bit length", cat(header(0x89, 8, 1), []byte("p")), []string{"close 1002"}},
		{"ping, fragmented", masked(0x09, []byte("p")), []string{"close 1002"}},
		{"pong, fragmented", masked(0x0a, []byte("p")), []string{"close 1002"}},
		{"close, fragmented", masked(0x08, []byte{3, 0xe8}), []string{"close 1002"}},
		{"ping, fragmented, inside a message", cat(masked(0x02, []byte("a")), masked(0x09, nil)), []string{"close 1002"}},
	}
}

// badHeaders is 5.1 and 5.2.
func badHeaders() (cases []violation) {
	for rsv := byte(1); rsv <= 7; rsv++ {
		for _, op := range []byte{0x2, 0x8, 0x9, 0xa} {
			cases = append(cases, violation{fmt.Sprintf("RSV %03b with opcode %x", rsv, op), masked(0x80|rsv<<4|op, nil), []string{"close 1002"}})
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		cases = append(cases,
			violation{fmt.Sprintf("opcode %x", op), masked(0x80|op, []byte("x")), []string{"close 1002"}},
			violation{fmt.Sprintf("opcode %x, empty", op), masked(0x80|op, nil), []string{"close 1002"}},
			violation{fmt.Sprintf("opcode %x, not final", op), masked(op, nil), []string{"close 1002"}},
			violation{fmt.Sprintf("opcode %x inside a message", op), cat(masked(0x02, nil), masked(0x80|op, nil)), []string{"close 1002"}},
		)
	}
	return append(cases,
		violation{"unmasked message", []byte{0x82, 2, 'o', 'k'}, []string{"close 1002"}},
		violation{"unmasked message, empty", []byte{0x82, 0}, []string{"close 1002"}},
		violation{"unmasked message, 16-bit length", append([]byte{0x82, 126, 0, 126}, make([]byte, 126)...), []string{"close 1002"}},
		violation{"unmasked message, 64-bit length", []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, []string{"close 1002"}},
		violation{"unmasked text", []byte{0x81, 2, 'o', 'k'}, []string{"close 1002"}},
		violation{"unmasked ping", []byte{0x89, 0}, []string{"close 1002"}},
		violation{"unmasked pong", []byte{0x8a, 0}, []string{"close 1002"}},
		violation{"unmasked close", []byte{0x88, 2, 3, 0xe8}, []string{"close 1002"}},
		violation{"HTTP where frames belong", []byte("GET / HTTP/1.1\r\n\r\n"), []string{"close 1002"}},
	)
}

// lengths is 5.2, payload length, and the limit, which is checked before the payload is there.
func lengths() []violation {
	return []violation{
		{"16 bits for 0", header(0x82, 2, 0), []string{"close 1002"}},
		{"16 bits for 125", cat(header(0x82, 2, 125), make([]byte, 125)), []string{"close 1002"}},
		{"64 bits for 0", header(0x82, 8, 0), []string{"close 1002"}},
		{"64 bits for 125", cat(header(0x82, 8, 125), make([]byte, 125)), []string{"close 1002"}},
		{"64 bits for 126", cat(header(0x82, 8, 126), make([]byte, 126)), []string{"close 1002"}},
		{"64 bits for 65535", header(0x82, 8, 65535), []string{"close 1002"}},
		{"64 bits, the highest set", header(0x82, 8, 1<<63), []string{"close 1002"}},
		{"64 bits, all set", header(0x82, 8, 1<<64-1), []string{"close 1002"}},
		{"one over the limit", header(0x82, 8, limit+1), []string{"close 1009"}},
		{"4 GiB", header(0x82, 8, 1<<32), []string{"close 1009"}},
		{"8 EiB less 1", header(0x82, 8, 1<<63-1), []string{"close 1009"}},
		{"over the limit, with its payload", masked(0x82, make([]byte, limit+1)), []string{"close 1009"}},
		{"a first fragment over the limit", header(0x02, 8, limit+1), []string{"close 1009"}},
		{"fragments over the limit", cat(masked(0x02, make([]byte, limit-1)), header(0x80, 0, 2)), []string{"close 1009"}},
		{"fragments over the limit, the sum overflowing", cat(masked(0x02, make([]byte, 2)), header(0x80, 8, 1<<63-1)), []string{"close 1009"}},
		{"a fragment more than the limit", cat(masked(0x02, make([]byte, limit)), masked(0x00, nil), header(0x80, 0, 1)), []string{"close 1009"}},
		{"a message over the limit after another", cat(binaryFrame([]byte("a")), header(0x82, 8, limit+1)), []string{"bin a", "close 1009"}},
	}
}

// closes is 5.5.1 and 7.4.
func closes() (cases []violation) {
	for _, code := range []uint16{
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4200, 4999,
	} {
		cases = append(cases, violation{fmt.Sprint("code ", code), closeFrame(code, ""), []string{fmt.Sprint("close ", code)}})
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1099, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, violation{fmt.Sprint("code ", code, ", invalid"), closeFrame(code, ""), []string{"close 1002"}})
	}
	for name, reason := range map[string]string{
		"ASCII": "bye", "UTF-8": "Ünïcödé 😀", "123 bytes": strings.Repeat("r", 123), "NUL": "\x00",
	} {
		cases = append(cases, violation{"reason of " + name, closeFrame(1000, reason), []string{"close 1000"}})
	}
	for name, reason := range map[string]string{
		"a stray byte": "\xff", "a cut character": "x\xe2\x82", "an overlong slash": "\xc0\xaf", "a surrogate": "\xed\xa0\x80", "above U+10FFFF": "\xf4\x90\x80\x80",
	} {
		cases = append(cases, violation{"reason with " + name, closeFrame(1000, reason), []string{"close 1007"}})
	}
	return append(cases,
		violation{"no code", masked(0x88, nil), []string{"close"}},
		violation{"half a code", masked(0x88, []byte{3}), []string{"close 1002"}},
		violation{"an invalid code with an invalid reason", closeFrame(1005, "\xff"), []string{"close 1002"}},
		violation{"reason of 124 bytes", closeFrame(1000, strings.Repeat("r", 124)), []string{"close 1002"}},
		violation{"close behind a message", cat(binaryFrame([]byte("a")), closeFrame(3001, "")), []string{"bin a", "close 3001"}},
	)
}

// afterwards: after a close frame, or a failure, nothing is processed.
func afterwards() []violation {
	message := binaryFrame([]byte("late"))
	return []violation{
		{"message after close", cat(closeFrame(1000, ""), message), []string{"close 1000"}},
		{"ping after close", cat(closeFrame(1000, ""), masked(0x89, nil)), []string{"close 1000"}},
		{"close after close", cat(closeFrame(1000, ""), closeFrame(1001, "")), []string{"close 1000"}},
		{"garbage after close", cat(closeFrame(1001, ""), []byte("\xff\xff\xff\xff")), []string{"close 1001"}},
		{"message after a violation", cat(masked(0x83, nil), message), []string{"close 1002"}},
		{"close after a violation", cat(masked(0x83, nil), closeFrame(1000, "")), []string{"close 1002"}},
		{"close after a text", cat(masked(0x81, nil), closeFrame(1000, ""), message), []string{"close 1003"}},
		{"the payload of what was too big", cat(header(0x82, 8, limit+1), make([]byte, limit+1), message), []string{"close 1009"}},
	}
}
