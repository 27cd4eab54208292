package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// runWith runs a server with a configuration in a directory of its own; args are
// told about both by DIR and FILE.
func runWith(t *testing.T, program, file, text string, args ...string) *Program {
	t.Helper()
	bin, dir := testnet.Need(t, program)[0], testnet.Dir(t)
	path := filepath.Join(dir, file)
	fill := strings.NewReplacer("DIR", dir, "FILE", path)
	testnet.Must(t, "write "+file, os.WriteFile(path, []byte(fill.Replace(text)), 0o644))
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	return Run(t, bin, args...)
}

// haproxy runs HAProxy with the lines of its sections.
func haproxy(t *testing.T, sections string) *Program {
	t.Helper()
	return runWith(t, "haproxy", "haproxy.cfg", haproxyConfig(sections), "-db", "-f", "FILE")
}

func haproxyConfig(sections string) string {
	return `
global
	maxconn 1000
defaults
	timeout connect 5s
	timeout client 30s
	timeout server 30s
` + sections
}

// nginxWith runs nginx with the lines of its main section, in which DIR is a
// directory of its own, and waits until it answers.
func nginxWith(t *testing.T, address, sections string) {
	t.Helper()
	runWith(t, "nginx", "nginx.conf", sections+`
daemon off;
master_process off;
pid DIR/pid;
error_log stderr;
events { worker_connections 4096; }
`, "-e", "stderr", "-p", "DIR", "-c", "FILE").AwaitAnswer(address)
}

// nginxHTTP runs nginx with one HTTP server: where it listens, and how, and the
// lines of it.
func nginxHTTP(t *testing.T, address, how, server string) {
	t.Helper()
	nginxWith(t, address, fmt.Sprintf(`
http {
	access_log off;
	sendfile on;
	keepalive_requests 1000000;
	client_max_body_size 0;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen %s %s;
		%s
	}
}
`, address, how, server))
}

// nginxStream runs nginx as a proxy of TCP.
func nginxStream(t *testing.T, address, server string) {
	t.Helper()
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err != nil {
		testnet.Skip(t, "not installed: the stream module of nginx")
	}
	nginxWith(t, address, fmt.Sprintf("load_module %s;\nstream { server { listen %s; %s } }\n", module, address, server))
}

// certificate is one for a few names, signed by itself, with its key in the same
// file.
func certificate(t *testing.T, names ...string) (path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testnet.Must(t, "make a key", err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	testnet.Must(t, "sign a certificate", err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	testnet.Must(t, "write a key", err)
	path = filepath.Join(testnet.Dir(t), "cert.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})...)
	testnet.Must(t, "write a certificate", os.WriteFile(path, text, 0o600))
	return path
}
