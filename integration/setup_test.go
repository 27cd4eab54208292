package integration

import (
	"fmt"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// Setup is a configuration of one listener, web, and one pool, web. The zero
// value listens on an IPv4 port of the kernel's choice, does not check its
// backends and ejects none.
type Setup struct {
	Bind     []string
	Backends []string // addresses, or tables in TOML
	Relay    string
	Access   string // all unless given

	// More lines for each table.
	Runtime, Log, Listener, Pool, Health, Outlier string
}

// TOML is the configuration as a file.
func (s Setup) TOML() string {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	if s.Bind == nil {
		s.Bind = []string{"127.0.0.1:0"}
	}
	backends := make([]string, len(s.Backends))
	for i, b := range s.Backends {
		backends[i] = b
		if !strings.HasPrefix(b, "{") {
			backends[i] = fmt.Sprintf("%q", b)
		}
	}
	return fmt.Sprintf(`
[runtime]
%s
[log]
access = %q
%s
[listeners.web]
bind = ["%s"]
pool = "web"
relay = %q
%s
[pools.web]
backends = [%s]
%s
[pools.web.health]
%s
[pools.web.outlier]
%s
`, or(s.Runtime, `shutdown_grace = "2s"`), or(s.Access, "all"), s.Log, strings.Join(s.Bind, `", "`), or(s.Relay, "splice"),
		s.Listener, strings.Join(backends, ", "), s.Pool, or(s.Health, `type = "none"`), or(s.Outlier, "consecutive_failures = 0"))
}

// Path is a way from a client to a backend.
type Path struct {
	Name           string
	client, server string // networks: tcp4, tcp6, unix; of the client also mptcp
	relay          string // "" is a direct connection
}

// The paths that every behaviour is tested over.
var paths = []Path{
	{"direct", "", "tcp4", ""},
	{"direct/unix", "", "unix", ""},
	{"splice", "tcp4", "tcp4", "splice"},
	{"splice/ipv6", "tcp6", "tcp6", "splice"},
	{"splice/unix", "unix", "unix", "splice"},
	{"splice/unix to tcp", "unix", "tcp4", "splice"},
	{"splice/tcp to unix", "tcp4", "unix", "splice"},
	{"splice/mptcp", "mptcp", "tcp4", "splice"},
	{"copy", "tcp4", "tcp4", "copy"},
	{"copy/mptcp", "mptcp", "tcp4", "copy"},
	{"copy/unix", "unix", "unix", "copy"},
}

// Direct reports whether there is no sluice on the path.
func (p Path) Direct() bool { return p.relay == "" }

// ByProgram reports whether any program can be a client: one of TCP.
func (p Path) ByProgram() bool { return p.client != "unix" && p.client != "mptcp" }

// TCP reports whether both its ends are TCP.
func (p Path) TCP() bool { return p.server != "unix" && p.client != "unix" }

// overEveryPath runs a test over every path.
func overEveryPath(t *testing.T, f func(t *testing.T, p Path)) {
	overPaths(t, func(Path) bool { return true }, f)
}

// overTCP runs a test over every path that is TCP from end to end.
func overTCP(t *testing.T, f func(t *testing.T, p Path)) { overPaths(t, Path.TCP, f) }

func overPaths(t *testing.T, which func(Path) bool, f func(t *testing.T, p Path)) {
	for _, p := range paths {
		if which(p) {
			t.Run(p.Name, func(t *testing.T) {
				testnet.Leaks(t)
				f(t, p)
			})
		}
	}
}

// Serve starts a peer at the end of the path, and sluice between it and the
// front, where a client is to connect. s may be nil. The Process is nil on a
// direct path.
func (p Path) Serve(tb testing.TB, does testnet.Behaviour, s *Setup) (front string, peer *testnet.Peer, proxy *Process) {
	tb.Helper()
	peer = testnet.Start(tb, p.server, does)
	front, proxy = p.To(tb, s, peer.Address)
	return front, peer, proxy
}

// To is Serve for a backend that is already there.
func (p Path) To(tb testing.TB, s *Setup, backends ...string) (front string, proxy *Process) {
	tb.Helper()
	if p.Direct() {
		return backends[0], nil
	}
	var setup Setup
	if s != nil {
		setup = *s
	}
	setup.Bind = []string{p.bind(tb)}
	setup.Relay = p.relay
	setup.Backends = backends
	if p.client == "mptcp" {
		setup.Listener += "\nmultipath = true"
	}
	proxy = Sluice(tb, setup.TOML())
	if p.client == "mptcp" {
		return testnet.ByMultipath(proxy.Front("web")), proxy
	}
	return proxy.Front("web"), proxy
}

func (p Path) bind(tb testing.TB) string {
	switch p.client {
	case "unix":
		return "unix:" + testnet.SocketPath(tb)
	case "tcp6":
		return "[::1]:0"
	default:
		return "127.0.0.1:0"
	}
}
