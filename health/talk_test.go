package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// conversations are the types that speak, with what each does first.
var conversations = []struct {
	name, first string
	health      config.Health
}{
	{"tls", "TLS handshake", config.Health{Type: "tls"}},
	{"http", "GET /", http200},
	{"https", "TLS handshake", config.Health{Type: "https"}},
	{"grpc", "grpc.health.v1.Health/Check", config.Health{Type: "grpc"}},
	{"send_expect", `sent "PING\r\n", expected "+PONG"`, script(config.Step{Send: "PING\r\n", Expect: "+PONG"})},
	{"redis", "PING", askRedis},
	{"postgres", "startup", askPostgres},
	{"postgres over TLS", "SSLRequest", with(askPostgres, func(h *config.Health) { h.TLS = true })},
}

var http200 = config.Health{Type: "http", Method: "GET", Path: "/", Status: config.Statuses{{First: 200, Last: 399}}}

// with is a with some of it changed.
func with(h config.Health, change func(*config.Health)) config.Health {
	change(&h)
	return h
}

// put asks as the Checker does.
func put(h config.Health, a config.Address, timeout time.Duration) error {
	return probes[h.Type](h)(context.Background(), a, timeout)
}

func addressOf(t *testing.T, address string) config.Address {
	t.Helper()
	a, err := config.ParseAddress(address)
	testnet.Must(t, "address", err)
	return a
}

// serve lets f have every connection to an address of its own.
func serve(t *testing.T, f func(net.Conn)) config.Address {
	t.Helper()
	l, a := listen(t, "tcp4", "127.0.0.1:0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return a
}

func TestEveryConversationSaysWhyNot(t *testing.T) {
	closed, gone := listen(t, "tcp", "127.0.0.1:0")
	closed.Close()
	_, silent := listen(t, "tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	curt := serve(t, func(c net.Conn) { c.(*net.TCPConn).CloseWrite(); io.Copy(io.Discard, c) })
	angry := serve(t, func(c net.Conn) { c.Read(make([]byte, 4096)); c.(*net.TCPConn).SetLinger(0) })
	path := filepath.Join(t.TempDir(), "s")
	for _, tt := range conversations {
		for _, at := range []struct {
			name    string
			address config.Address
			want    string
		}{
			{"refused", gone, fmt.Sprintf("connect %v: connection refused", gone)},
			{"no answer to a connect", addressOf(t, testnet.Silent(t)), "no answer within 200ms"},
			{"no socket", config.Address{Unix: path}, fmt.Sprintf("connect unix:%s: no such file or directory", path)},
			{"hangs", silent, tt.first + ": no answer within 200ms"},
			{"closes", curt, tt.first + ": it closed the connection"},
			{"resets", angry, tt.first + ": connection reset by peer"},
		} {
			t.Run(tt.name+"/"+at.name, func(t *testing.T) {
				testnet.Leaks(t)
				timeout := 5 * time.Second
				if at.name == "hangs" || at.name == "no answer to a connect" {
					timeout = 200 * time.Millisecond
				}
				if tt.name == "grpc" && (at.name == "resets" || at.name == "closes") {
					at.want = tt.first + ": " // HTTP/2 writes and reads at once, and either may come first
				}
				isIll(t, put(tt.health, at.address, timeout), at.want)
			})
		}
	}
}

func TestEveryConversationEndsWithItsContext(t *testing.T) {
	_, silent := listen(t, "tcp", "127.0.0.1:0")
	for _, tt := range conversations {
		for name, a := range map[string]config.Address{"connecting": addressOf(t, testnet.Silent(t)), "talking": silent} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				testnet.Leaks(t)
				ctx, cancel := context.WithCancel(t.Context())
				began := time.Now()
				time.AfterFunc(20*time.Millisecond, cancel)
				err := probes[tt.health.Type](tt.health)(ctx, a, time.Minute)
				if _, ok := err.(unasked); !ok || !errors.Is(err, context.Canceled) {
					t.Errorf("got %v (%T), want that nothing is said of the backend", err, err)
				}
				if d := time.Since(began); d > 30*time.Second {
					t.Errorf("took %v", d)
				}
			})
		}
	}
}

func TestConversationWaitsForAPlaceInTheQueue(t *testing.T) {
	testnet.Leaks(t)
	path := filepath.Join(t.TempDir(), "s")
	to := sys.UnixAddr(path)
	l := full(t, &to)
	a := config.Address{Unix: path}
	isIll(t, put(http200, a, 50*time.Millisecond), "queue full for 50ms")
	time.AfterFunc(20*time.Millisecond, func() {
		if c, errno := sys.Accept(l, new(sys.Sockaddr)); errno == 0 {
			sys.Close(c)
		}
	})
	isIll(t, put(http200, a, 500*time.Millisecond), "GET /: no answer within 500ms")
}
