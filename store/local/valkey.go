package local

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// valkeyConf keeps nothing on disk: everything in Valkey is derived and reseeded from Postgres.
const valkeyConf = `bind 127.0.0.1
port %d
dir %s
requirepass %s
save ""
appendonly no
daemonize no
`

// startValkey runs the program in a claimed place and gives a server that answers.
func startValkey(ctx context.Context, program program, p *place, o Options) (*Server, error) {
	return valkeyRun{program: program, place: p, port: o.Port}.start(ctx)
}

// valkeyRun is how one process of Valkey is run.
type valkeyRun struct {
	program program
	place   *place
	port    int                                         // 0: a free one
	more    func(port int, data string) (string, error) // lines added to the configuration; nil: none
	args    []string                                    // behind the configuration's name
	clear   func(p *place, data string) error           // called before each start; nil: nothing to clear
}

func (r valkeyRun) start(ctx context.Context) (s *Server, err error) {
	p, program := r.place, r.program
	data, err := p.makeData(dataName)
	if err != nil {
		return nil, err
	}
	err = onFreePort(r.port, func(port int) error {
		conf := filepath.Join(data, "valkey.conf") // a file, since arguments are for everybody to see
		text := fmt.Sprintf(valkeyConf, port, strconv.Quote(data), p.password)
		if r.more != nil {
			more, err := r.more(port, data)
			if err != nil {
				return err
			}
			text += more
		}
		if err := writeFor(p.as, conf, []byte(text)); err != nil {
			return err
		}
		n := &native{
			place: p,
			command: command{
				path: program.path, args: append([]string{program.name, conf}, r.args...), env: program.env, dir: data, as: p.as,
				log: p.file(logName), orphan: syscall.SIGTERM,
			},
			gentle: syscall.SIGTERM,
			clear: func() error {
				if r.clear == nil {
					return nil
				}
				return r.clear(p, data)
			},
			ready: func(ctx context.Context, _ int) bool { return pong(ctx, loopback(port), p.password) },
		}
		s = &Server{
			url: redisURL(loopback(port), p.password), engine: n,
			origin: fmt.Sprintf("%s of %s on port %d", program.name, filepath.Dir(program.path), port),
		}
		return n.start(ctx)
	})
	return s, err
}

// writeFor writes a file that the account alone may read.
func writeFor(as *account, name string, content []byte) error {
	if err := os.WriteFile(name, content, 0o600); err != nil {
		return err
	}
	return as.own(name)
}

func redisURL(address, password string) string {
	u := url.URL{Scheme: "redis", Host: address, Path: "/0"}
	if password != "" {
		u.User = url.UserPassword("default", password)
	}
	return u.String()
}

// pong tells whether a server at address takes the password and answers a PING.
func pong(ctx context.Context, address, password string) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", password); err != nil {
		return false
	}
	lines := bufio.NewScanner(conn)
	return lines.Scan() && lines.Text() == "+OK" && lines.Scan() && strings.HasPrefix(lines.Text(), "+PONG")
}
