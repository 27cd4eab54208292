package health

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/state"
)

// authority signs certificates, and writes all of them into a folder.
type authority struct {
	dir, file string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testnet.Must(t, "make a key", err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{dir: dir, file: filepath.Join(dir, "ca.pem"), cert: c, key: key}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	testnet.Must(t, "sign", err)
	write(t, a.file, "CERTIFICATE", der)
	return a
}

// issue makes NAME.pem and NAME.key for app.example.com and 127.0.0.1.
func (a *authority) issue(t *testing.T, name string, from, to time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testnet.Must(t, "make a key", err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to,
		DNSNames: []string{"app.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, &key.PublicKey, a.key)
	testnet.Must(t, "sign", err)
	write(t, filepath.Join(a.dir, name+".pem"), "CERTIFICATE", der)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	testnet.Must(t, "encode a key", err)
	write(t, filepath.Join(a.dir, name+".key"), "PRIVATE KEY", private)
}

func write(t *testing.T, path, what string, der []byte) {
	t.Helper()
	testnet.Must(t, "write "+path, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der}), 0o600))
}

func TestTLSProbeOfNginx(t *testing.T) {
	n := runNginx(t)
	plain := config.Health{Type: "tls"}
	verified := config.Health{Type: "tls", Verify: true, CAFile: n.ca}
	other := filepath.Join(testnet.Dir(t), "ca.pem")
	testnet.Must(t, "write", os.WriteFile(other, []byte("nothing"), 0o600))
	for _, tt := range []struct {
		name string
		h    config.Health
		at   config.Address
		ill  string
	}{
		{"not verified", plain, n.secure, ""},
		{"expired and not verified", plain, n.expired, ""},
		{"verified by its address", verified, n.secure, ""},
		{"verified by its name", with(verified, func(h *config.Health) { h.SNI = "app.example.com" }), n.secure, ""},
		{"expired", verified, n.expired, "TLS handshake: its certificate has expired on 20"},
		{"another name", with(verified, func(h *config.Health) { h.SNI = "www.example.com" }), n.secure, "not www.example.com"},
		{"an unknown authority", config.Health{Type: "tls", Verify: true}, n.secure, "certificate signed by unknown authority"},
		{"no TLS", plain, n.plain, "TLS handshake: tls: first record does not look like a TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			err := put(tt.h, tt.at, 10*time.Second)
			if tt.ill == "" {
				isWell(t, err)
			} else {
				isIll(t, err, tt.ill)
			}
		})
	}
	t.Run("authority that cannot be read", func(t *testing.T) {
		for file, want := range map[string]string{other: "no certificate in it", other + "x": "no such file"} {
			err := put(with(verified, func(h *config.Health) { h.CAFile = file }), n.secure, 10*time.Second)
			if _, ok := err.(unasked); !ok || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v (%T), want that nothing is said of the backend: %s", file, err, err, want)
			}
		}
	})
	t.Run("expiry is warned of", func(t *testing.T) {
		soon := with(verified, func(h *config.Health) { h.ExpiresWithin = 72 * time.Hour })
		err := put(soon, n.secure, 10*time.Second)
		if _, ok := err.(warning); !ok || !strings.Contains(err.Error(), "its certificate expires on 20") || !strings.Contains(err.Error(), "in less than 72h") {
			t.Errorf("got %v (%T), want a warning", err, err)
		}
		isWell(t, put(with(soon, func(h *config.Health) { h.ExpiresWithin = time.Hour }), n.secure, 10*time.Second))
		err = put(with(soon, func(h *config.Health) { h.Verify = false }), n.expired, 10*time.Second)
		if _, ok := err.(warning); !ok || !strings.Contains(err.Error(), "its certificate has expired on 20") {
			t.Errorf("got %v (%T), want a warning", err, err)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		n.stop(t)
		defer n.goOn()
		isIll(t, put(plain, n.secure, 200*time.Millisecond), "TLS handshake: no answer within 200ms")
	})
}

// A file of authorities that is replaced counts from the next probe on.
func TestNewAuthorityIsReadAtOnce(t *testing.T) {
	n := runNginx(t)
	old := newAuthority(t, testnet.Dir(t))
	h := config.Health{Type: "tls", Verify: true, CAFile: old.file}
	probe := newTLS(h)
	isIll(t, probe(t.Context(), n.secure, 10*time.Second), "certificate signed by unknown authority")
	text, err := os.ReadFile(n.ca)
	testnet.Must(t, "read", err)
	testnet.Must(t, "write", os.WriteFile(old.file+".new", text, 0o600))
	testnet.Must(t, "rename", os.Rename(old.file+".new", old.file))
	isWell(t, probe(t.Context(), n.secure, 10*time.Second))
}

func TestWarningIsToldOnceAndTheBackendIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(web(1))
		w.be(1, warning{errRefused})
		w.run(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.is(t, "b1", state.Up)
		if got := w.lines(); len(got) != 2 || got[0] != "web/b1 up: the first probe was good" || got[1] != "web/b1: connect: refused" {
			t.Errorf("logged %q, want the transition and one warning", got)
		}
		w.be(1, nil)
		time.Sleep(time.Minute)
		w.be(1, warning{errRefused})
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.lines(); len(got) != 1 {
			t.Errorf("logged %q, want the warning anew", got)
		}
	})
}
