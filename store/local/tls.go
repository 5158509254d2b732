package local

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

const tlsConf = `tls-port %d
tls-cert-file %s
tls-key-file %s
tls-ca-cert-file %s
tls-auth-clients no
`

// ValkeyTLS starts a Valkey that speaks TLS with a certificate of an authority of its own, which nobody trusts who does not name
// it. ca is that authority's certificate as PEM. For tests.
func ValkeyTLS(ctx context.Context, o Options) (s *Server, ca []byte, err error) {
	r, err := claimValkey(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	var port int
	r.more = func(_ int, data string) (string, error) {
		var cert, key []byte
		if ca, cert, key, err = selfMade(); err != nil {
			return "", err
		}
		for name, content := range map[string][]byte{"ca.pem": ca, "cert.pem": cert, "key.pem": key} {
			if err := writeFor(r.place.as, filepath.Join(data, name), content); err != nil {
				return "", err
			}
		}
		if port, err = freePort(); err != nil {
			return "", err
		}
		return fmt.Sprintf(tlsConf, port, filepath.Join(data, "cert.pem"), filepath.Join(data, "key.pem"), filepath.Join(data, "ca.pem")), nil
	}
	if s, err = r.startOrRelease(ctx); err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(redisURL(loopback(port), r.place.password))
	if err != nil {
		s.Stop()
		return nil, nil, err
	}
	u.Scheme = strings.Replace(u.Scheme, "redis", "rediss", 1)
	s.url = u.String()
	return s, ca, nil
}

// selfMade makes an authority and a certificate of it for 127.0.0.1, good for a day.
func selfMade() (ca, cert, key []byte, err error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bestie's own"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "valkey"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return nil, nil, nil, err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, &serverKey.PublicKey, authorityKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(serverKey)
	if err != nil {
		return nil, nil, nil, err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return block("CERTIFICATE", authorityDER), block("CERTIFICATE", serverDER), block("EC PRIVATE KEY", keyDER), nil
}
