package health

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"sluice/config"
	"sluice/internal/testnet"
)

// serveGRPC runs a real server; checks may be nil.
func serveGRPC(t *testing.T, checks grpc_health_v1.HealthServer, options ...grpc.ServerOption) config.Address {
	t.Helper()
	l, a := listen(t, "tcp4", "127.0.0.1:0")
	s := grpc.NewServer(options...)
	if checks != nil {
		grpc_health_v1.RegisterHealthServer(s, checks)
	}
	done := make(chan struct{})
	go func() { s.Serve(l); close(done) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return a
}

var askGRPC = config.Health{Type: "grpc"}

func TestGRPCProbe(t *testing.T) {
	checks := health.NewServer()
	checks.SetServingStatus("app.v1.App", grpc_health_v1.HealthCheckResponse_SERVING)
	checks.SetServingStatus("app.v1.Ill", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	checks.SetServingStatus("app.v1.New", grpc_health_v1.HealthCheckResponse_UNKNOWN)
	a, bare := serveGRPC(t, checks), serveGRPC(t, nil)
	plain := serve(t, func(c net.Conn) { c.Read(make([]byte, 512)); c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	for _, tt := range []struct {
		name, service string
		at            config.Address
		ill           string
	}{
		{"the server", "", a, ""},
		{"a service", "app.v1.App", a, ""},
		{"a service that is not well", "app.v1.Ill", a, "grpc.health.v1.Health/Check: NOT_SERVING"},
		{"a service that does not know yet", "app.v1.New", a, "grpc.health.v1.Health/Check: status 0, expected 1 (SERVING)"},
		{"a service that is not there", "app.v1.None", a, "it does not know the service (NOT_FOUND)"},
		{"no health service", "", bare, "it has no health service (UNIMPLEMENTED)"},
		{"no HTTP/2", "", plain, "grpc.health.v1.Health/Check: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			err := put(config.Health{Type: "grpc", Service: tt.service}, tt.at, 10*time.Second)
			if tt.ill == "" {
				isWell(t, err)
			} else {
				isIll(t, err, tt.ill)
			}
		})
	}
	checks.Shutdown()
	isIll(t, put(askGRPC, a, 10*time.Second), "NOT_SERVING")
}

func TestGRPCProbeOverTLS(t *testing.T) {
	dir := testnet.Dir(t)
	ca := newAuthority(t, dir)
	now := time.Now()
	ca.issue(t, "good", now.Add(-time.Hour), now.Add(time.Hour))
	ca.issue(t, "expired", now.Add(-2*time.Hour), now.Add(-time.Hour))
	secure := func(name string) config.Address {
		c, err := credentials.NewServerTLSFromFile(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
		testnet.Must(t, "load", err)
		return serveGRPC(t, health.NewServer(), grpc.Creds(c))
	}
	h := config.Health{Type: "grpc", TLS: true, Verify: true, CAFile: ca.file}
	isWell(t, put(h, secure("good"), 10*time.Second))
	isIll(t, put(h, secure("expired"), 10*time.Second), "TLS handshake: its certificate has expired on ")
}

// What talks over TLS without ALPN is no server of gRPC.
func TestGRPCProbeOfSomethingElseOverTLS(t *testing.T) {
	r := runRedis(t)
	isIll(t, put(config.Health{Type: "grpc", TLS: true}, r.secure, 10*time.Second), "TLS handshake: it does not offer h2 (ALPN)")
}

func TestGRPCStatusOfAnyAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want uint64
	}{
		{"serving", "\x00\x00\x00\x00\x02\x08\x01", 1},
		{"not serving", "\x00\x00\x00\x00\x02\x08\x02", 2},
		{"empty", "\x00\x00\x00\x00\x00", 0},
		{"nothing", "", 0},
		{"compressed", "\x01\x00\x00\x00\x02\x08\x01", 0},
		{"after a field of a later version", "\x00\x00\x00\x00\x07\x12\x03abc\x08\x01", 1},
		{"cut short", "\x00\x00\x00\x00\x02\x08", 0},
		{"a field longer than all", "\x00\x00\x00\x00\x02\x12\x7f", 0},
	} {
		if got := grpcStatus([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func FuzzGRPCStatus(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x07\x12\x03abc\x08\x01"))
	f.Fuzz(func(t *testing.T, body []byte) { grpcStatus(body) })
}
