package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

// banner is what dev prints when everything is up.
type banner struct {
	program  *program
	stores   *devStores
	operator config.Operator
	took     time.Duration
}

func (b banner) print(w io.Writer) {
	values := map[string]string{
		"Took":     b.took.Round(10 * time.Millisecond).String(),
		"Public":   reachable(b.program.PublicAddr()),
		"Internal": reachable(b.program.InternalAddr()),
		"Postgres": b.stores.postgres.URL(),
		"Valkey":   b.stores.valkey.URL(),
		"Email":    b.operator.AdminEmail,
		"Password": string(b.operator.AdminPassword), // of a demo operator on this machine
		"Mitra":    demoMitra[0].phone,
		"Targets":  b.simFlags(),
	}
	fmt.Fprint(w, os.Expand(bannerText, func(name string) string { return values[name] }))
}

// simFlags are needed only where the ports are not the usual ones.
func (b banner) simFlags() string {
	flags := ""
	if public := reachable(b.program.PublicAddr()); !strings.HasSuffix(public, ":3000") {
		flags += " --target http://" + public
	}
	if internal := reachable(b.program.InternalAddr()); !strings.HasSuffix(internal, ":3001") {
		flags += " --internal http://" + internal
	}
	return flags
}

// reachable is an address that a client on this machine can dial.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// bannerText is no template of text/template: that calls methods by name, so the linker would keep all methods of all
// packages, and the program would be half as big again.
const bannerText = `
bestie dev is up after ${Took}

  sockets    ws://${Public}/ws, subprotocol bestie.v1.msgpack, Authorization: Bearer <access_token>
  REST       http://${Public}/api/…
  internal   http://${Internal}/metrics, /readyz, /internal/…
  Postgres   ${Postgres}
  Valkey     ${Valkey}
  operator   ${Email}, password ${Password}

A customer signs in:
  curl -s -X POST http://${Public}/api/shared/auth/anonymous

A mitra signs in by phone code; the code is in the log below, in a line with msg="phone code":
  curl -s http://${Public}/api/mitra/auth/otp/request -H 'Content-Type: application/json' -d '{"phone":"${Mitra}"}'
  curl -s http://${Public}/api/mitra/auth/otp/verify -H 'Content-Type: application/json' -d '{"otp_request_id":"…","code":"…"}'

Or in one step, as tests do:
  curl -s http://${Internal}/internal/_test/seed-mitra -H 'Content-Type: application/json' -d '{"phone":"+6281100000099","display_name":"Ayu"}'
  go run ./cmd/bestie token --user-type customer --count 3

An operator logs in, and looks at what goes on; all routes stand in http://${Internal}/internal/openapi.json:
  curl -s http://${Internal}/internal/auth/login -H 'Content-Type: application/json' -d '{"email":"${Email}","password":"${Password}"}'
  curl -s http://${Internal}/internal/dashboard -H 'Authorization: Bearer <access_token>'

See it work, in a second terminal:
  go run ./cmd/bestie sim --mitras 200 --customers 50 --duration 30s${Targets}

Ctrl-C stops it. The data stays.

`
