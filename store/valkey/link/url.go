package link

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	driver "github.com/valkey-io/valkey-go"
)

// connTimeout bounds dialling, and how long a connection may be stuck before it is given up.
const connTimeout = time.Second

// topologyEvery is how often sentinels are asked who is master: their word that it changed may be lost.
const topologyEvery = 5 * time.Second

// parameters are those of a URL. The driver knows more, which would undo what this package promises.
var parameters = []string{
	"addr", "db", "client_name", "protocol", "skip_verify", "master_set", "sentinel_username", "sentinel_password", "ca_file",
}

// parse reads a URL as the package comment describes it. No error of it shows any part of the URL: that holds a password,
// and a password that was not escaped may stand anywhere.
func parse(raw string) (driver.ClientOption, error) {
	option, err := driver.ParseURL(raw)
	if err != nil {
		return driver.ClientOption{}, errors.New("valkey: VALKEY_URL cannot be read; it must look like redis://:password@host:6379, " +
			"with %-escapes for odd characters")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return driver.ClientOption{}, errors.New("valkey: VALKEY_URL cannot be read")
	}
	query := u.Query()
	for name := range query {
		if !slices.Contains(parameters, name) {
			return driver.ClientOption{}, fmt.Errorf("valkey: VALKEY_URL has a parameter that is not known; known are %s", strings.Join(parameters, ", "))
		}
	}
	// The driver takes an address without a port for the first one once more.
	option.InitAddress = option.InitAddress[:1]
	for _, addr := range query["addr"] {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(addr, "6379")
		}
		option.InitAddress = append(option.InitAddress, addr)
	}
	if file := query.Get("ca_file"); file != "" {
		if err := trust(&option, file); err != nil {
			return driver.ClientOption{}, err
		}
	}
	option.ConnWriteTimeout = connTimeout
	option.Dialer.Timeout = connTimeout
	option.DisableCache = true // nothing here is read twice
	option.Sentinel.Dialer = option.Dialer
	option.Sentinel.TLSConfig = option.TLSConfig
	option.Sentinel.Username = query.Get("sentinel_username")
	option.Sentinel.Password = query.Get("sentinel_password")
	option.Sentinel.TopologyRefreshInterval = topologyEvery
	return option, nil
}

// trust takes the signatures of a file's certificates for good, and no others.
func trust(option *driver.ClientOption, file string) error {
	if option.TLSConfig == nil {
		return errors.New("valkey: VALKEY_URL has ca_file, which is for rediss:// only")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("valkey: ca_file of VALKEY_URL: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("valkey: ca_file of VALKEY_URL: %s holds no certificate in PEM", file)
	}
	option.TLSConfig.RootCAs = pool
	return nil
}

// CheckPrefix refuses a prefix that would spread keys over the slots of a cluster, where scripts on several keys are not legal. The
// rule is the cluster's own: what stands between the first { and the first } after it decides the slot, unless it is empty.
func CheckPrefix(prefix string) error {
	_, rest, opens := strings.Cut(prefix, "{")
	tag, _, closes := strings.Cut(rest, "}")
	if !opens || !closes || tag == "" {
		return errPrefix
	}
	return nil
}

var errPrefix = errors.New("valkey: this is a cluster, where VALKEY_KEY_PREFIX needs a hash tag, such as {halo}: with its braces")
