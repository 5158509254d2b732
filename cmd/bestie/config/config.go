// Package config reads the settings of bestie from environment variables into groups of typed, bounded fields. A command loads
// the groups that it uses and no others, so that `migrate` does not ask for a token secret. All mistakes are found at once
// (Mistakes), and a secret is never printed: a Secret formats as "[set]".
//
// The struct tags are the one table of settings: name and default (env, envDefault), bounds (min, max, choices), the sentence
// that help shows (doc). What operators tune at run time is not here but in app_config (core.Settings).
package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Serve is every setting of a running instance.
type Serve struct {
	Listen
	Database
	Valkey
	Tokens
	Codes
	Identities
	Sockets
	Presence
	Providers
	Payment
	Push
	Log
}

// All is every setting that there is.
type All struct {
	Serve
	Operator
}

// Listen says where an instance is found, and who may ask how often.
type Listen struct {
	PublicAddr      string   `env:"PUBLIC_ADDR" envDefault:"0.0.0.0:3000" doc:"sockets and REST of the apps"`
	Port            int      `env:"PORT" min:"0" max:"65535" doc:"port of PUBLIC_ADDR, as hosting platforms set it; PUBLIC_ADDR wins"`
	InternalAddr    string   `env:"INTERNAL_ADDR" envDefault:"127.0.0.1:3001" doc:"/internal, /metrics, reasons of /readyz"`
	CCOrigin        string   `env:"CC_ORIGIN" doc:"where the control center's pages are (https://console.example.com), if not on INTERNAL_ADDR itself"`
	CCPlainCookie   bool     `env:"CC_PLAIN_COOKIE" envDefault:"false" doc:"the operators' cookie also travels without TLS, for development"`
	RESTPerIPMinute int      `env:"REST_PER_IP_PER_MINUTE" envDefault:"600" min:"1" max:"1000000" doc:"REST requests an address may make in a minute"`
	RESTPerAccount  int      `env:"REST_PER_ACCOUNT_PER_MINUTE" envDefault:"300" min:"1" max:"1000000" doc:"REST requests an account may make in a minute"`
	TrustedProxies  []string `env:"TRUSTED_PROXIES" doc:"addresses or networks (10.0.0.0/8) whose X-Forwarded-For counts, by commas"`
}

// Database is the Postgres that holds the truth.
type Database struct {
	DatabaseURL       Secret `env:"DATABASE_URL" required:"true" doc:"postgres://user:password@host:5432/database"`
	DatabaseDirectURL Secret `env:"DATABASE_DIRECT_URL" doc:"for migrations, past a pooler; default DATABASE_URL"`
	DatabaseMaxConns  int    `env:"DATABASE_MAX_CONNS" envDefault:"20" min:"2" max:"1000" doc:"connections of this instance"`
}

// Valkey is the mirror and the event bus.
type Valkey struct {
	ValkeyURL    Secret `env:"VALKEY_URL" required:"true" doc:"redis://[:password@]host:6379, rediss:// for TLS; cluster, Sentinel: docs/valkey-mirror.md"`
	ValkeyPrefix string `env:"VALKEY_KEY_PREFIX" doc:"goes before every key; on a cluster a hash tag such as {halo}:"`
}

// Sockets bound what a connection may do (protocol.md, "Rules of the connection").
type Sockets struct {
	AllowedOrigins   []string `env:"WS_ALLOWED_ORIGINS" doc:"web pages that may connect (https://app.example.com), by commas; apps send no origin"`
	MaxMessageBytes  int      `env:"WS_MAX_MESSAGE_BYTES" envDefault:"16384" min:"1024" max:"1048576" doc:"a longer message closes 1009"`
	OutboundBytes    int      `env:"WS_OUTBOUND_QUEUE_BYTES" envDefault:"65536" min:"4096" max:"16777216" doc:"a slower reader is closed 4201"`
	HandshakeTimeout int      `env:"WS_HANDSHAKE_TIMEOUT_SECONDS" envDefault:"5" min:"1" max:"60" doc:"for a whole request head"`
	Heartbeat        int      `env:"WS_HEARTBEAT_SECONDS" envDefault:"15" min:"1" max:"200" doc:"how often the apps are asked to beat"`
	IdleTimeout      int      `env:"WS_IDLE_TIMEOUT_SECONDS" envDefault:"45" min:"5" max:"600" doc:"silence that closes 4200"`
	FramesPerSecond  int      `env:"WS_FRAMES_PER_SECOND" envDefault:"20" min:"1" max:"100000" doc:"messages of one socket, burst twice that"`
	AcceptsPerSecond int      `env:"WS_ACCEPTS_PER_SECOND" envDefault:"2000" min:"1" max:"1000000" doc:"new sockets of this instance, burst twice that"`
	MaxConnections   int      `env:"WS_MAX_CONNECTIONS" envDefault:"0" min:"0" max:"10000000" doc:"sockets of this instance; 0: what the file limit allows"`
	MaxAge           int      `env:"WS_MAX_AGE_SECONDS" envDefault:"0" min:"0" max:"604800" doc:"a socket retires (4203) at this age; 0: never"`
	DrainSeconds     int      `env:"DRAIN_SECONDS" envDefault:"8" min:"0" max:"300" doc:"over which sockets are sent away at SIGTERM"`
}

// Presence is who counts as there (valkey.md, "Sweeps").
type Presence struct {
	GraceSeconds       int `env:"PRESENCE_GRACE_SECONDS" envDefault:"20" min:"1" max:"300" doc:"a mitra back within it never left the count"`
	StaleSeconds       int `env:"MITRA_HEARTBEAT_STALE_SECONDS" envDefault:"45" min:"5" max:"600" doc:"silence after which a mitra is not reachable"`
	FlushMillis        int `env:"HEARTBEAT_FLUSH_MS" envDefault:"250" min:"10" max:"5000" doc:"heartbeats are gathered this long, or until 250 have come"`
	AutoOfflineSeconds int `env:"MITRA_AUTO_OFFLINE_SWEEP_SECONDS" envDefault:"30" min:"1" max:"3600" doc:"sweep: stale mitras go offline"`
	MirrorSeconds      int `env:"HEARTBEAT_MIRROR_INTERVAL_SECONDS" envDefault:"60" min:"1" max:"3600" doc:"sweep: heartbeats to Postgres"`
	ReseedSeconds      int `env:"VALKEY_ONLINE_MIRROR_SWEEP_SECONDS" envDefault:"300" min:"1" max:"86400" doc:"sweep: mirror compared with Postgres"`
}

// Providers are the outside services, and what only development may switch on.
type Providers struct {
	AllowDevProviders bool `env:"ALLOW_DEV_PROVIDERS" envDefault:"false" doc:"lets serve run with providers that are for development"`
	TestRoutes        bool `env:"ENABLE_TEST_ROUTES" envDefault:"false" doc:"POST /internal/_test/…, bestie token; INTERNAL_ADDR must be loopback"`
}

// Operator is the first user of the control center, made by seed.
type Operator struct {
	AdminEmail    string `env:"ADMIN_EMAIL" doc:"seed makes this operator; without it none"`
	AdminPassword Secret `env:"ADMIN_PASSWORD" doc:"8 to 72 bytes with digit, upper and lower case"`
}

// Log is how the program speaks.
type Log struct {
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"json" choices:"json,text" doc:"json for machines, text for people"`
}

func (l *Listen) check(report func(name, what string)) {
	if l.Port != 0 && l.PublicAddr == defaultOf("PUBLIC_ADDR") {
		l.PublicAddr = fmt.Sprintf("0.0.0.0:%d", l.Port)
	}
	for name, addr := range map[string]string{"PUBLIC_ADDR": l.PublicAddr, "INTERNAL_ADDR": l.InternalAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			report(name, "must be host:port, such as 0.0.0.0:3000")
		}
	}
	if l.CCOrigin != "" && !isOrigin(l.CCOrigin) {
		report("CC_ORIGIN", "must be one origin such as https://console.example.com")
	}
	for _, proxy := range l.TrustedProxies {
		if _, err := prefix(proxy); err != nil {
			report("TRUSTED_PROXIES", fmt.Sprintf("%q is neither an address nor a network", proxy))
		}
	}
}

// Proxies are the trusted ones as networks.
func (l *Listen) Proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, proxy := range l.TrustedProxies {
		if p, err := prefix(proxy); err == nil {
			all = append(all, p)
		}
	}
	return all
}

func prefix(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

func (d *Database) check(report func(name, what string)) {
	for name, secret := range map[string]Secret{"DATABASE_URL": d.DatabaseURL, "DATABASE_DIRECT_URL": d.DatabaseDirectURL} {
		if secret != "" && !hasScheme(secret, "postgres", "postgresql") {
			report(name, "must look like postgres://user:password@host:5432/database")
		}
	}
	if d.DatabaseDirectURL == "" {
		d.DatabaseDirectURL = d.DatabaseURL
	}
}

func (v *Valkey) check(report func(name, what string)) {
	if v.ValkeyURL != "" && !hasScheme(v.ValkeyURL, "redis", "rediss", "valkey", "valkeys", "unix") {
		report("VALKEY_URL", "must look like redis://host:6379")
	}
	if strings.ContainsFunc(v.ValkeyPrefix, func(r rune) bool { return r <= ' ' || r > '~' || r == '*' }) {
		report("VALKEY_KEY_PREFIX", "must be printable ASCII without spaces or *")
	}
}

// hasScheme never shows the URL in an error: it holds a password.
func hasScheme(secret Secret, schemes ...string) bool {
	u, err := url.Parse(string(secret))
	return err == nil && slices.Contains(schemes, u.Scheme)
}

// leastIdle is the bound of WS_IDLE_TIMEOUT_SECONDS.
const leastIdle = 5

func (s *Sockets) check(report func(name, what string)) {
	for _, origin := range s.AllowedOrigins {
		if !isOrigin(origin) {
			report("WS_ALLOWED_ORIGINS", fmt.Sprintf("%q is not an origin such as https://app.example.com", origin))
		}
	}
	if s.Heartbeat >= s.IdleTimeout && s.IdleTimeout >= leastIdle { // else that is the mistake
		report("WS_HEARTBEAT_SECONDS", "must be below WS_IDLE_TIMEOUT_SECONDS")
	}
}

// isOrigin tells whether the text is an origin exactly as browsers send it.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && text == u.Scheme+"://"+strings.ToLower(u.Host)
}

func (p *Presence) check(report func(name, what string)) {
	if p.GraceSeconds > p.StaleSeconds {
		report("PRESENCE_GRACE_SECONDS", "must not be above MITRA_HEARTBEAT_STALE_SECONDS")
	}
}

func (o *Operator) check(report func(name, what string)) {
	if o.AdminEmail != "" && !strings.Contains(o.AdminEmail, "@") {
		report("ADMIN_EMAIL", "must be an e-mail address")
	}
	if o.AdminPassword != "" && o.AdminEmail == "" {
		report("ADMIN_EMAIL", "is missing, and ADMIN_PASSWORD is set")
	}
}

// Seconds, Millis, Minutes and Days turn a number of a setting into a duration.
func Seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// Millis is like Seconds.
func Millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// Minutes is like Seconds.
func Minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// Days is like Seconds.
func Days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
