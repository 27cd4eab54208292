package health

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
)

type redis struct {
	*program
	at, secure config.Address
	*authority
}

// runRedis starts a server that asks for a certificate of nobody, with more of
// its options.
func runRedis(t *testing.T, options ...string) *redis {
	t.Helper()
	bin := testnet.Need(t, "redis-server")[0]
	dir := testnet.Dir(t)
	a := newAuthority(t, dir)
	a.issue(t, "good", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	plain, secure := testnet.FreeAddress(t, "tcp4"), testnet.FreeAddress(t, "tcp4")
	host, port, _ := net.SplitHostPort(plain)
	_, tlsPort, _ := net.SplitHostPort(secure)
	r := &redis{at: addressOf(t, plain), secure: addressOf(t, secure), authority: a}
	r.program = start(t, exec.Command(bin, append([]string{
		"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", dir, "--loglevel", "verbose",
		"--tls-port", tlsPort, "--tls-cert-file", filepath.Join(dir, "good.pem"), "--tls-key-file", filepath.Join(dir, "good.key"),
		"--tls-ca-cert-file", a.file, "--tls-auth-clients", "no",
	}, options...)...), plain, secure)
	return r
}

var askRedis = config.Health{Type: "redis"}

func TestRedisProbe(t *testing.T) {
	r := runRedis(t)
	for range 3 {
		isWell(t, put(askRedis, r.at, 10*time.Second))
	}
	verified := with(askRedis, func(h *config.Health) { h.TLS, h.Verify, h.CAFile = true, true, r.file })
	isWell(t, put(verified, r.secure, 10*time.Second))
	isIll(t, put(with(verified, func(h *config.Health) { h.CAFile = "" }), r.secure, 10*time.Second), "TLS handshake: ")
	t.Run("hangs", func(t *testing.T) {
		r.stop(t)
		defer r.goOn()
		isIll(t, put(askRedis, r.at, 200*time.Millisecond), "PING: no answer within 200ms")
	})
	if log := r.said(); strings.Contains(log, "Protocol error") || strings.Contains(log, "Reading from client") {
		t.Errorf("redis says\n%s", log)
	}
}

func TestRedisThatAsksForAPasswordIsWell(t *testing.T) {
	isWell(t, put(askRedis, runRedis(t, "--requirepass", "secret").at, 10*time.Second))
}

func TestRedisWithoutRoomIsNotWell(t *testing.T) {
	r := runRedis(t, "--maxclients", "1")
	// Its only client, once the one that waited for the start is gone.
	var only net.Conn
	testnet.Eventually(t, 30*time.Second, "a client is let in", func() bool {
		c, err := net.Dial("tcp", r.at.String())
		testnet.Must(t, "dial", err)
		c.Write([]byte("PING\r\n"))
		answer := make([]byte, 7)
		if n, _ := c.Read(answer); string(answer[:n]) == "+PONG\r\n" {
			only = c
			return true
		}
		c.Close()
		return false
	})
	defer only.Close()
	isIll(t, put(askRedis, r.at, 10*time.Second), `PING: said "-ERR max number of clients reached", expected +PONG`)
}

func TestRedisAnswers(t *testing.T) {
	for answer, well := range map[string]bool{
		"+PONG\r\n":                            true,
		"-NOAUTH Authentication required.\r\n": true,
		"-NOPERM this user has no permissions to run the 'ping' command\r\n": true,
		"-LOADING Redis is loading the dataset in memory\r\n":                false,
		"-MASTERDOWN Link with MASTER is down\r\n":                           false,
		"+PONGO\r\n":      false,
		"HTTP/1.1 400 \n": false,
	} {
		a := serve(t, func(c net.Conn) { c.Read(make([]byte, 512)); c.Write([]byte(answer)) })
		if err := put(askRedis, a, 10*time.Second); (err == nil) != well {
			t.Errorf("%q: got %v, want well: %v", answer, err, well)
		}
	}
}
