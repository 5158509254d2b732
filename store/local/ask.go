package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ask sends one command to a Valkey and gives its answer as text; the elements of a list are lines. It is all that setting up a cluster needs
// of a client.
func ask(ctx context.Context, address, password string, command ...string) (string, error) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	reader := bufio.NewReader(conn)
	for _, words := range [][]string{{"AUTH", password}, command} {
		var request strings.Builder
		fmt.Fprintf(&request, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(word), word)
		}
		if _, err := io.WriteString(conn, request.String()); err != nil {
			return "", err
		}
		if words[0] == "AUTH" {
			if _, err := answer(reader); err != nil {
				return "", err
			}
		}
	}
	said, err := answer(reader)
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(command[:min(2, len(command))], " "), err)
	}
	return said, nil
}

// answer reads one answer of RESP2.
func answer(reader *bufio.Reader) (string, error) {
	line, err := reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("an empty answer")
	}
	switch kind, rest := line[0], line[1:]; kind {
	case '-':
		return "", errors.New(rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err
		}
		text := make([]byte, n+2)
		_, err = io.ReadFull(reader, text)
		return string(text[:n]), err
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil {
			return "", err
		}
		lines := make([]string, 0, max(n, 0))
		for range n {
			element, err := answer(reader)
			if err != nil {
				return "", err
			}
			lines = append(lines, element)
		}
		return strings.Join(lines, "\n"), nil
	default: // + and :
		return rest, nil
	}
}

// until asks again and again, and when ctx ends says why it was never so.
func until(ctx context.Context, holds func() (bool, error)) error {
	tick := time.NewTicker(formPoll)
	defer tick.Stop()
	for {
		is, err := holds()
		if is {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// address is host:port of a Valkey.
func (s *Server) address() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return ""
	}
	return u.Host
}

// claimValkey finds the program and claims a place for one process of it. There is no imitation here.
func claimValkey(ctx context.Context, o Options) (valkeyRun, error) {
	p, err := claim(ctx, o, "valkey")
	if err != nil {
		return valkeyRun{}, fmt.Errorf("valkey: %w", err)
	}
	program, err := findValkey(ctx, p, o)
	if err != nil {
		p.release()
		return valkeyRun{}, err
	}
	return valkeyRun{program: program, place: p}, nil
}

// startOrRelease starts, or gives the place back.
func (r valkeyRun) startOrRelease(ctx context.Context) (*Server, error) {
	s, err := r.start(ctx)
	if err != nil {
		r.place.release()
		return nil, err
	}
	return s, nil
}

// freePort is one that nobody listens on now.
func freePort() (port int, err error) {
	err = onFreePort(0, func(p int) error { port = p; return nil })
	return port, err
}
