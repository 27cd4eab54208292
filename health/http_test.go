package health

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
)

// nginx serves pages over HTTP and over HTTPS, with a certificate that is good
// for app.example.com and 127.0.0.1, and with one that has expired.
type nginx struct {
	*program
	plain, secure, expired, proxied config.Address
	ca                              string
}

func runNginx(t *testing.T) *nginx {
	t.Helper()
	bin := testnet.Need(t, "nginx")[0]
	dir := testnet.Dir(t)
	a := newAuthority(t, dir)
	now := time.Now()
	a.issue(t, "good", now.Add(-time.Hour), now.Add(48*time.Hour))
	a.issue(t, "expired", now.Add(-48*time.Hour), now.Add(-time.Hour))
	root := filepath.Join(dir, "root")
	testnet.Must(t, "make the root", os.Mkdir(root, 0o755))
	testnet.Must(t, "write a page", os.WriteFile(filepath.Join(root, "index.html"), []byte("all is well\n"), 0o644))
	testnet.Must(t, "write a large page", os.WriteFile(filepath.Join(root, "large"), []byte(strings.Repeat("x", 1<<20)), 0o644))
	var at [4]string
	for i := range at {
		at[i] = testnet.FreeAddress(t, "tcp4")
	}
	conf := filepath.Join(dir, "nginx.conf")
	testnet.Must(t, "write nginx.conf", os.WriteFile(conf, fmt.Appendf(nil, `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr info;
events {}
http {
	access_log /dev/stderr;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	root %[1]s/root;
	server {
		listen %[2]s;
		listen unix:%[1]s/sock;
		location = /moved { return 302 /; }
		location = /ill { return 503 "database is gone\n"; }
		location = /host { return 200 $host; }
	}
	server {
		listen %[3]s ssl;
		ssl_certificate %[1]s/good.pem;
		ssl_certificate_key %[1]s/good.key;
		location = /sni { return 200 "sni=$ssl_server_name"; }
	}
	server {
		listen %[4]s ssl;
		ssl_certificate %[1]s/expired.pem;
		ssl_certificate_key %[1]s/expired.key;
	}
	server {
		listen %[5]s proxy_protocol;
		location = /from { return 200 "from=$remote_addr"; }
	}
}
`, dir, at[0], at[1], at[2], at[3]), 0o644))
	n := &nginx{ca: a.file}
	n.plain, n.secure, n.expired = addressOf(t, at[0]), addressOf(t, at[1]), addressOf(t, at[2])
	n.proxied = addressOf(t, at[3])
	n.program = start(t, exec.Command(bin, "-e", "stderr", "-p", dir, "-c", conf), at[:]...)
	return n
}

func TestHTTPProbeOfNginx(t *testing.T) {
	n := runNginx(t)
	for _, tt := range []struct {
		name   string
		change func(*config.Health)
		ill    string // "": well
	}{
		{"a page", func(h *config.Health) {}, ""},
		{"without its body", func(h *config.Health) { h.Method = "HEAD" }, ""},
		{"a large page", func(h *config.Health) { h.Path = "/large" }, ""},
		{"a redirect", func(h *config.Health) { h.Path = "/moved" }, ""},
		{"a redirect that is not wanted", func(h *config.Health) { h.Path, h.Status = "/moved", config.Statuses{{First: 200, Last: 299}} },
			"GET /moved: status 302, expected 200-299"},
		{"an error", func(h *config.Health) { h.Path = "/ill" }, "GET /ill: status 503, expected 200-399"},
		{"an error that is wanted", func(h *config.Health) { h.Path, h.Status = "/ill", config.Statuses{{First: 503, Last: 503}} }, ""},
		{"no page", func(h *config.Health) { h.Path = "/none?x=1" }, "GET /none?x=1: status 404, expected 200-399"},
		{"its text", func(h *config.Health) { h.Body = "^all is well$|^all.*\n$" }, ""},
		{"another text", func(h *config.Health) { h.Body = "on fire" }, `GET /: said "all is well\n", expected a match of "on fire"`},
		{"no text", func(h *config.Health) { h.Method, h.Body = "HEAD", "well" }, `HEAD /: nothing said, expected a match of "well"`},
		{"a host", func(h *config.Health) { h.Path, h.Host, h.Body = "/host", "app.example.com", "^app.example.com$" }, ""},
		{"the address as the host", func(h *config.Health) { h.Path, h.Body = "/host", "^127.0.0.1$" }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			err := put(with(http200, tt.change), n.plain, 10*time.Second)
			if tt.ill == "" {
				isWell(t, err)
			} else {
				isIll(t, err, tt.ill)
			}
		})
	}
	t.Run("over a unix socket", func(t *testing.T) {
		isWell(t, put(with(http200, func(h *config.Health) { h.Path, h.Body = "/host", "^localhost$" }),
			config.Address{Unix: filepath.Join(filepath.Dir(n.ca), "sock")}, 10*time.Second))
	})
	// At the level info nginx tells of every client that goes away too soon.
	if log := n.said(); strings.Contains(log, "prematurely") || strings.Contains(log, "reset by peer") || strings.Contains(log, "broken pipe") {
		t.Errorf("nginx says\n%s", log)
	}
	t.Run("hangs", func(t *testing.T) {
		n.stop(t)
		defer n.goOn()
		isIll(t, put(http200, n.plain, 200*time.Millisecond), "GET /: no answer within 200ms")
	})
	isWell(t, put(http200, n.plain, 10*time.Second))
}

func TestHTTPSProbeOfNginx(t *testing.T) {
	n := runNginx(t)
	secure := with(http200, func(h *config.Health) { h.Type = "https" })
	isWell(t, put(secure, n.secure, 10*time.Second))
	isWell(t, put(with(secure, func(h *config.Health) { h.Verify, h.CAFile = true, n.ca }), n.secure, 10*time.Second))
	isWell(t, put(with(secure, func(h *config.Health) {
		h.Path, h.SNI, h.Body = "/sni", "app.example.com", "^sni=app.example.com$"
	}), n.secure, 10*time.Second))
	isIll(t, put(with(secure, func(h *config.Health) { h.Path = "/none" }), n.secure, 10*time.Second), "GET /none: status 404")
	isIll(t, put(with(secure, func(h *config.Health) { h.Verify, h.CAFile = true, n.ca }), n.expired, 10*time.Second),
		"TLS handshake: its certificate has expired on ")
	isIll(t, put(secure, n.plain, 10*time.Second), "TLS handshake: ")
}

func TestProbeOfABackendThatDemandsAHeader(t *testing.T) {
	n := runNginx(t)
	local := func(h *config.Health) { h.SendProxy = true }
	isWell(t, put(with(http200, func(h *config.Health) {
		h.SendProxy, h.Path, h.Body = true, "/from", "^from=127.0.0.1$"
	}), n.proxied, 10*time.Second))
	isIll(t, put(http200, n.proxied, 10*time.Second), "GET /: it closed the connection")
	isWell(t, put(with(config.Health{Type: "tcp"}, local), n.proxied, 10*time.Second))
	testnet.Eventually(t, 30*time.Second, "nginx tells of the one without", func() bool { return strings.Contains(n.said(), "broken header") })
	if log := n.said(); strings.Count(log, "broken header") != 1 {
		t.Errorf("nginx says of more than the one without\n%s", log)
	}
	closed, gone := listen(t, "tcp", "127.0.0.1:0")
	closed.Close()
	isIll(t, put(with(config.Health{Type: "tcp"}, local), gone, 10*time.Second), "connection refused")
}

// Answers that nginx does not give.
func TestHTTPProbeTakesTheFinalAnswer(t *testing.T) {
	for _, tt := range []struct{ name, answer, ill string }{
		{"after interim ones", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""},
		{"of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", ""},
		{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "GET /: it closed the connection"},
		{"that is none", "SSH-2.0-OpenSSH_9.2\r\n", "GET /: malformed HTTP response \"SSH-2.0-OpenSSH_9.2\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := serve(t, func(c net.Conn) {
				c.Read(make([]byte, 4096))
				c.Write([]byte(tt.answer))
			})
			err := put(http200, a, 10*time.Second)
			if tt.ill == "" {
				isWell(t, err)
			} else {
				isIll(t, err, tt.ill)
			}
		})
	}
}

func TestSlowAnswerInTimeIsGood(t *testing.T) {
	l, a := listen(t, "tcp4", "127.0.0.1:0")
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(100 * time.Millisecond)
		fmt.Fprintln(w, "late")
	})}
	done := make(chan struct{})
	go func() { s.Serve(l); close(done) }()
	defer func() { s.Close(); <-done }()
	isWell(t, put(http200, a, 20*time.Second))
	isIll(t, put(http200, a, 50*time.Millisecond), "GET /: no answer within 50ms")
}
