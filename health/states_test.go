package health

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"sluice/config"
	"sluice/internal/testnet"
)

// grpcServerVar makes the test binary a server of gRPC: "PLAIN SECURE DIR", where it
// listens and where the certificate "expired" is.
const grpcServerVar = "SLUICE_TEST_GRPC"

func grpcServer(text string) {
	var plain, secure, dir string
	fmt.Sscan(text, &plain, &secure, &dir)
	expired, err := tls.LoadX509KeyPair(filepath.Join(dir, "expired.pem"), filepath.Join(dir, "expired.key"))
	for at, options := range map[string][]grpc.ServerOption{plain: nil, secure: {grpc.Creds(credentials.NewServerTLSFromCert(&expired))}} {
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", at)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		s := grpc.NewServer(options...)
		grpc_health_v1.RegisterHealthServer(s, health.NewServer())
		go s.Serve(l)
	}
	select {}
}

// subject is a real server and the probe that asks it.
type subject struct {
	*program
	health  config.Health
	at      config.Address
	wrong   config.Address // something else answers there; zero: what is said does not matter
	strange string         // what the probe says of that
	expired config.Address // with a certificate that has; zero: not over TLS
	ca      string
}

// refused is what is said when nobody listens.
func (s *subject) refused() string {
	if s.health.Type == "exec" {
		return "redis-cli: exit 1" // and the rest is in the log
	}
	return "connection refused"
}

// check is the probe as it is put to an address.
func (s *subject) check(at config.Address, timeout time.Duration) error {
	if s.health.Type == "tcp" {
		return ask(at, timeout)
	}
	if s.health.Type == "exec" {
		host, port, _ := net.SplitHostPort(at.String())
		return put(config.Health{Type: "exec", Command: []string{testnet.Find("redis-cli"), "-e", "-h", host, "-p", port, "PING"}}, at, timeout)
	}
	return put(s.health, at, timeout)
}

// behind is a host between: the server's first answer comes by so much later.
func behind(t *testing.T, to config.Address, by time.Duration) config.Address {
	t.Helper()
	return serve(t, func(c net.Conn) {
		server, err := net.Dial("tcp", to.String())
		if err != nil {
			return
		}
		defer server.Close()
		go func() {
			pass(server, c)
			server.(*net.TCPConn).CloseWrite()
		}()
		first := make([]byte, 4096)
		n, _ := server.Read(first)
		time.Sleep(by)
		c.Write(first[:n])
		pass(c, server)
	})
}

// pass copies by read and write: splice would keep pipes.
func pass(to io.Writer, from io.Reader) { io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from}) }

// subjects are one of each type. Their servers run until the test ends.
func subjects(t *testing.T) map[string]*subject {
	testnet.Need(t, "redis-cli")
	web, store := runNginx(t), runRedis(t)
	database, databaseAt, databaseCA := runPostgres(t)
	past := time.Now().Add(-time.Hour)
	for _, a := range []*authority{store.authority, databaseCA} {
		a.reissue(t, "good", past.Add(-time.Hour), past)
	}
	database.cmd.Process.Signal(syscall.SIGHUP)
	reloadRedis(t, store)
	plain, secure := testnet.FreeAddress(t, "tcp4"), testnet.FreeAddress(t, "tcp4")
	remote := exec.Command(os.Args[0])
	remote.Env = append(os.Environ(), grpcServerVar+"="+plain+" "+secure+" "+filepath.Dir(web.ca))
	calls := start(t, remote, plain, secure)
	https := with(http200, func(h *config.Health) { h.Type, h.Path = "https", "/index.html" })
	return map[string]*subject{
		"http":  {program: web.program, health: http200, at: web.plain, wrong: web.secure, strange: "status 400, expected 200-399"},
		"https": {program: web.program, health: https, at: web.secure, wrong: web.plain, strange: "TLS handshake: ", expired: web.expired, ca: web.ca},
		"tls":   {program: web.program, health: config.Health{Type: "tls"}, at: web.secure, wrong: web.plain, strange: "does not look like a TLS handshake", expired: web.expired, ca: web.ca},
		"tcp":   {program: web.program, health: config.Health{Type: "tcp"}, at: web.plain},
		"grpc":  {program: calls, health: askGRPC, at: addressOf(t, plain), wrong: web.plain, strange: "grpc.health.v1.Health/Check: ", expired: addressOf(t, secure), ca: web.ca},
		"send_expect": {program: store.program, health: script(config.Step{Send: "PING\r\n", Expect: "+PONG"}), at: store.at, wrong: web.plain,
			strange: `expected "+PONG"`},
		"redis": {program: store.program, health: askRedis, at: store.at, wrong: web.plain, strange: "PING: ", expired: store.secure, ca: store.file},
		"postgres": {program: database, health: askPostgres, at: databaseAt, wrong: web.plain, strange: "which is not PostgreSQL's protocol",
			expired: databaseAt, ca: databaseCA.file},
		"exec": {program: store.program, health: config.Health{Type: "exec"}, at: store.at, wrong: web.plain, strange: "redis-cli: exit 1"},
	}
}

// reissue makes a certificate anew in its files, whose owner stays.
func (a *authority) reissue(t *testing.T, name string, from, to time.Time) {
	t.Helper()
	other := *a
	other.dir = testnet.Dir(t)
	other.issue(t, name, from, to)
	for _, file := range []string{name + ".pem", name + ".key"} {
		b, err := os.ReadFile(filepath.Join(other.dir, file))
		testnet.Must(t, "read", err)
		testnet.Must(t, "write", os.WriteFile(filepath.Join(a.dir, file), b, 0o600))
	}
}

// reloadRedis has it read its certificate again.
func reloadRedis(t *testing.T, r *redis) {
	t.Helper()
	host, port, _ := net.SplitHostPort(r.at.String())
	out, err := exec.Command(testnet.Find("redis-cli"), "-e", "-h", host, "-p", port, "CONFIG", "SET",
		"tls-cert-file", filepath.Join(r.dir, "good.pem"), "tls-key-file", filepath.Join(r.dir, "good.key")).CombinedOutput()
	if err != nil {
		t.Fatalf("redis does not read its certificate again: %v\n%s", err, out)
	}
}

// TestEveryProbeInEveryState: each type asks its real server, which is up, slow, something
// else, with a certificate that has expired, hangs, and is down. A bare connect sees only
// whether somebody listens.
func TestEveryProbeInEveryState(t *testing.T) {
	const soon, late = 150 * time.Millisecond, 30 * time.Second
	all := subjects(t)
	state := func(name string, f func(t *testing.T, s *subject), can func(s *subject) bool) {
		for kind, s := range all {
			if can(s) {
				t.Run(kind+"/"+name, func(t *testing.T) { f(t, s) })
			}
		}
	}
	each := func(*subject) bool { return true }
	speaks := func(s *subject) bool { return s.health.Type != "tcp" }
	secure := func(s *subject) bool { return s.expired != config.Address{} }
	state("up", func(t *testing.T, s *subject) { isWell(t, s.check(s.at, late)) }, each)
	state("slow", func(t *testing.T, s *subject) {
		begun := time.Now()
		isWell(t, s.check(behind(t, s.at, soon), late))
		if took := time.Since(begun); took < soon {
			t.Errorf("it took %v, and its answer %v", took, soon)
		}
		isIll(t, s.check(behind(t, s.at, 2*soon), soon), " within 150ms")
	}, speaks)
	state("wrong", func(t *testing.T, s *subject) {
		isIll(t, s.check(s.wrong, late), s.strange)
	}, speaks)
	state("expired", func(t *testing.T, s *subject) {
		h := with(s.health, func(h *config.Health) { h.TLS, h.Verify, h.CAFile = true, true, s.ca })
		isIll(t, put(h, s.expired, late), "TLS handshake: its certificate has expired on ")
	}, secure)
	state("hanging", func(t *testing.T, s *subject) {
		s.stop(t)
		defer s.goOn()
		err := s.check(s.at, soon)
		if s.health.Type == "tcp" {
			isWell(t, err) // the kernel accepts
			return
		}
		isIll(t, err, " within 150ms")
	}, each)
	for _, s := range all {
		s.cmd.Process.Signal(syscall.SIGTERM)
	}
	state("down", func(t *testing.T, s *subject) {
		var err error
		testnet.Eventually(t, late, "it is refused", func() bool {
			err = s.check(s.at, late)
			return err != nil && strings.Contains(err.Error(), s.refused())
		})
		isIll(t, err, s.refused())
	}, each)
}
