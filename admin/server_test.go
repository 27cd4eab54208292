package admin

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"sluice/config"
	"sluice/internal/testnet"
)

func TestServesWhereTheConfigurationSays(t *testing.T) {
	socket := testnet.SocketPath(t)
	s := newServer(t, &fake{})
	open(t, s, config.Admin{Bind: anyPort, Socket: socket})
	at := s.Addresses()
	if len(at) != 2 || at[1] != "unix:"+socket {
		t.Fatalf("at %v, want a port and %s", at, socket)
	}
	for _, a := range at {
		if got := ask(t, a, "GET", "/livez", ""); got.status != 200 || !strings.Contains(got.body, `"live"`) {
			t.Errorf("%s: %d %s", a, got.status, got.body)
		}
	}
	open(t, s, config.Admin{Bind: anyPort, Socket: socket})
	if again := s.Addresses(); again[0] != at[0] {
		t.Errorf("at %v after a reload, want the port it had: %v", again, at)
	}
	open(t, s, config.Admin{})
	if got := s.Addresses(); len(got) != 0 {
		t.Errorf("still at %v", got)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket's file is left: %v", err)
	}
	if c, err := net.Dial("tcp", at[0]); err == nil {
		c.Close()
		t.Errorf("somebody still listens at %s", at[0])
	}
}

func TestSocketIsItsOwnersOnly(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	socket := testnet.SocketPath(t)
	serve(t, &fake{}, config.Admin{Socket: socket})
	st, err := os.Lstat(socket)
	testnet.Must(t, "stat", err)
	if got := st.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
}

func TestSocketOfADeadProcessIsTakenAndOfALiveOneNot(t *testing.T) {
	socket := testnet.SocketPath(t)
	l, err := net.Listen("unix", socket)
	testnet.Must(t, "listen", err)
	s := newServer(t, &fake{})
	if _, err := s.Prepare(config.Admin{Socket: socket}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v, want that somebody is there", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	open(t, s, config.Admin{Socket: socket})
	ask(t, "unix:"+socket, "GET", "/livez", "")

	file := testnet.SocketPath(t)
	testnet.Must(t, "write", os.WriteFile(file, nil, 0o600))
	if _, err := s.Prepare(config.Admin{Socket: file}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("error %v, want that a file is there", err)
	}
}

func TestAddressThatNobodyAskedForMayBeTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer other.Close()
	taken := config.Address{TCP: netip.MustParseAddrPort(other.Addr().String())}
	s := newServer(t, &fake{})
	if _, err := s.Prepare(config.Admin{Bind: taken, Asked: true}); err == nil || !strings.Contains(err.Error(), "admin: bind "+taken.String()+": address already in use") {
		t.Errorf("error %v, want that it is in use", err)
	}
	if missed := open(t, s, config.Admin{Bind: taken}); missed == nil {
		t.Error("nothing is said of the address that is taken")
	}
	if missed := open(t, s, config.Admin{Bind: taken}); missed != nil {
		t.Errorf("said again: %v", missed)
	}
	if got := s.Addresses(); len(got) != 0 {
		t.Errorf("at %v, want nowhere", got)
	}
	other.Close()
	if missed := open(t, s, config.Admin{Bind: taken}); missed != nil {
		t.Errorf("not had though it is free: %v", missed)
	}
	ask(t, s.Addresses()[0], "GET", "/livez", "")
}

func TestPrepareThatFailsLeavesNothingOpen(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer other.Close()
	socket := testnet.SocketPath(t)
	s := newServer(t, &fake{})
	_, err = s.Prepare(config.Admin{
		Bind: config.Address{TCP: netip.MustParseAddrPort(other.Addr().String())}, Asked: true,
		Socket: socket, TokenFile: "/does/not/exist",
	})
	for _, want := range []string{"address already in use", "token_file /does/not/exist: no such file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket's file is left: %v", err)
	}
	if _, err := s.Prepare(config.Admin{TokenFile: tokenFile(t, "short")}); err == nil || !strings.Contains(err.Error(), "can be guessed") {
		t.Errorf("error %v, want that the token is too short", err)
	}
}

func TestRemovedSocketIsOpenedAnew(t *testing.T) {
	socket := testnet.SocketPath(t)
	s, at := serve(t, &fake{}, config.Admin{Socket: socket})
	testnet.Must(t, "remove", os.Remove(socket))
	open(t, s, config.Admin{Socket: socket})
	ask(t, at, "GET", "/livez", "")
}
