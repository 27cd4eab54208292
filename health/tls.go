package health

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"sluice/config"
)

// newTLS asks for a TLS handshake.
func newTLS(h config.Health) probe {
	secure := secures(h)
	return talking(h, func(t *talk) error {
		if err := secure(t); err != nil {
			return err
		}
		t.part()
		return nil
	})
}

// secures makes what turns a conversation into one over TLS, as the settings
// want it. Of protocols (ALPN) the backend has to take one.
func secures(h config.Health, protocols ...string) func(*talk) error {
	trusted := &roots{file: h.CAFile}
	return func(t *talk) error {
		t.doing = "TLS handshake"
		c := &tls.Config{ServerName: h.SNI, InsecureSkipVerify: !h.Verify, NextProtos: protocols}
		if c.ServerName == "" {
			// An address is verified as one, and never sent as a name.
			c.ServerName = t.to.TCP.Addr().WithZone("").String()
			if t.to.Unix != "" {
				c.ServerName = "localhost"
			}
		}
		if h.Verify {
			var err error
			if c.RootCAs, err = trusted.pool(); err != nil {
				return unasked{err}
			}
		}
		s := tls.Client(t.Conn, c)
		if err := s.Handshake(); err != nil {
			return certainly(err)
		}
		if len(protocols) > 0 && s.ConnectionState().NegotiatedProtocol == "" {
			return verdict(fmt.Sprintf("TLS handshake: it does not offer %s (ALPN)", strings.Join(protocols, ", ")))
		}
		t.Conn = s
		t.warning = expiry(s.ConnectionState().PeerCertificates, h.ExpiresWithin, time.Now())
		return nil
	}
}

// certainly says more of a certificate that is out of its time: package x509
// leaves it to a comparison of two times.
func certainly(err error) error {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return err
	}
	if c := invalid.Cert; time.Now().Before(c.NotBefore) {
		return verdict("TLS handshake: its certificate is not valid before " + day(c.NotBefore))
	} else {
		return verdict("TLS handshake: its certificate has expired on " + day(c.NotAfter))
	}
}

// expiry warns of the certificate that ends first, if one ends within the time.
// The words are the same from probe to probe, so that they are told once.
func expiry(chain []*x509.Certificate, within time.Duration, now time.Time) error {
	if within == 0 || len(chain) == 0 {
		return nil
	}
	first := chain[0]
	for _, c := range chain {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	switch left := first.NotAfter.Sub(now); {
	case left > within:
		return nil
	case left <= 0:
		return fmt.Errorf("its certificate has expired on %s", day(first.NotAfter))
	}
	return fmt.Errorf("its certificate expires on %s, in less than %v", day(first.NotAfter), config.Duration(within))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// roots are the certificates of a file, read again when the file has changed.
type roots struct {
	file string

	mu    sync.Mutex
	has   *x509.CertPool
	state os.FileInfo
}

// pool is nil for the system's own.
func (r *roots) pool() (*x509.CertPool, error) {
	if r.file == "" {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now, err := os.Stat(r.file)
	if err != nil {
		return nil, err
	}
	if r.has != nil && os.SameFile(now, r.state) && now.ModTime().Equal(r.state.ModTime()) && now.Size() == r.state.Size() {
		return r.has, nil
	}
	text, err := os.ReadFile(r.file)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in it, expected some in PEM", r.file)
	}
	r.has, r.state = p, now
	return p, nil
}
