package health

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
)

var askPostgres = config.Health{Type: "postgres", User: "sluice", Database: "postgres"}

// runPostgres starts a server that trusts the user sluice and asks all others
// for a password.
func runPostgres(t *testing.T) (p *program, address config.Address, a *authority) {
	t.Helper()
	tools := testnet.PostgresPrograms(t, "initdb", "postgres")
	dir := testnet.Dir(t)
	data := filepath.Join(dir, "data")
	out, err := testnet.NotRoot(t, exec.Command(tools[0], "-D", data, "-U", "sluice", "-N", "--no-locale", "-E", "UTF8", "-A", "trust"), dir).CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	testnet.Must(t, "write pg_hba.conf", os.WriteFile(filepath.Join(data, "pg_hba.conf"),
		[]byte("host all sluice 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o644))
	a = newAuthority(t, dir)
	a.issue(t, "good", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	info, err := os.Stat(data)
	testnet.Must(t, "stat", err)
	owner := info.Sys().(*syscall.Stat_t)
	for _, name := range []string{"good.pem", "good.key"} {
		testnet.Must(t, "chown", os.Chown(filepath.Join(dir, name), int(owner.Uid), int(owner.Gid)))
	}
	at := testnet.FreeAddress(t, "tcp4")
	host, port, _ := net.SplitHostPort(at)
	c := testnet.NotRoot(t, exec.Command(tools[1], "-D", data, "-h", host, "-p", port, "-k", dir, "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file="+filepath.Join(dir, "good.pem"), "-c", "ssl_key_file="+filepath.Join(dir, "good.key")), dir)
	p = start(t, c, at)
	address = addressOf(t, at)
	testnet.Eventually(t, 30*time.Second, "the server takes sessions", func() bool { return put(askPostgres, address, 10*time.Second) == nil })
	return p, address, a
}

func TestPostgresProbe(t *testing.T) {
	p, at, a := runPostgres(t)
	before := len(p.said())
	stranger := with(askPostgres, func(h *config.Health) { h.User = "stranger" })
	secure := with(askPostgres, func(h *config.Health) { h.TLS, h.Verify, h.CAFile = true, true, a.file })
	for range 3 {
		isWell(t, put(askPostgres, at, 10*time.Second))
		isWell(t, put(stranger, at, 10*time.Second)) // who is asked for a password
		isWell(t, put(secure, at, 10*time.Second))
		isWell(t, put(with(secure, func(h *config.Health) { h.User = "stranger" }), at, 10*time.Second))
	}
	if log := p.said()[before:]; regexp.MustCompile(`ERROR|FATAL|WARNING|could not|unexpected|incomplete`).MatchString(log) {
		t.Errorf("PostgreSQL says of its probes\n%s", log)
	}
	isIll(t, put(with(askPostgres, func(h *config.Health) { h.Database = "none" }), at, 10*time.Second),
		`startup: FATAL 3D000: database "none" does not exist`)
	isIll(t, put(with(secure, func(h *config.Health) { h.CAFile = "" }), at, 10*time.Second), "TLS handshake: ")

	// A client that stays keeps the server from ending, and no other is let in.
	held, err := net.Dial("tcp", at.String())
	testnet.Must(t, "dial", err)
	defer held.Close()
	held.Write(postgresStartup("sluice", "postgres"))
	held.Read(make([]byte, 1))
	p.cmd.Process.Signal(syscall.SIGTERM)
	testnet.Eventually(t, 30*time.Second, "the server says that it ends", func() bool { return put(askPostgres, at, 10*time.Second) != nil })
	isIll(t, put(askPostgres, at, 10*time.Second), "startup: FATAL 57P03: the database system is shutting down")
}

func TestPostgresProbeOfSomethingElse(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		change       func(*config.Health)
		want         string
	}{
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", func(*config.Health) {}, `startup: said "HTTP/", which is not PostgreSQL's protocol`},
		{"cut short", "R\x00\x00\x00\x08\x00", func(*config.Health) {}, "startup: it closed the connection"},
		{"no TLS", "N", func(h *config.Health) { h.TLS = true }, `SSLRequest: said "N", expected S: it does not talk over TLS`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := serve(t, func(c net.Conn) { c.Read(make([]byte, 512)); c.Write([]byte(tt.answer)) })
			isIll(t, put(with(askPostgres, tt.change), a, 10*time.Second), tt.want)
		})
	}
}
