package cmd

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"sluice/config"
)

const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 26415 1 0000000000000000 100 0 0 10 0
   1: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 26416 1 0000000000000000 100 0 0 10 0
   2: 0100007F:2328 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 26417 1 0000000000000000 20 4 30 10 -1
`

const procTCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0
   1: B80D0120000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:0052 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0000000000000000 100 0 0 10 0
`

const procUnix = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 21345 /run/web.sock
0000000000000000: 00000003 00000000 00000000 0001 03 21346 /run/connected.sock
0000000000000000: 00000002 00000000 00010000 0001 01    77 /run/with space.sock
0000000000000000: 00000002 00000000 00010000 0001 01 21348
`

func TestListeningIsReadFromProc(t *testing.T) {
	l, err := readListening(fstest.MapFS{
		"tcp":  {Data: []byte(procTCP)},
		"tcp6": {Data: []byte(procTCP6)},
		"unix": {Data: []byte(procUnix)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		address config.Address
		want    bool
	}{
		{"loopback", tcpAddress("127.0.0.1:8080"), true},
		{"all of v4", tcpAddress("0.0.0.0:443"), true},
		{"all of v6", tcpAddress("[::]:80"), true},
		{"v6", tcpAddress("[2001:db8::1]:81"), true},
		{"v4 on a v6 socket", tcpAddress("127.0.0.1:82"), true},
		{"v6 wildcard served by v4", tcpAddress("[::]:443"), true},
		{"any port", tcpAddress("127.0.0.1:0"), true},
		{"any port of an address without sockets", tcpAddress("127.0.0.2:0"), false},
		{"connected is not listening", tcpAddress("127.0.0.1:9000"), false},
		{"wildcard is not the address", tcpAddress("127.0.0.1:443"), false},
		{"another port", tcpAddress("127.0.0.1:8081"), false},
		{"unix", config.Address{Unix: "/run/web.sock"}, true},
		{"unix with a space", config.Address{Unix: "/run/with space.sock"}, true},
		{"unix connected", config.Address{Unix: "/run/connected.sock"}, false},
		{"unix unknown", config.Address{Unix: "/run/other.sock"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := l.has(tt.address); got != tt.want {
				t.Errorf("has(%v) = %v, want %v", tt.address, got, tt.want)
			}
		})
	}
}

func TestListeningSeesRealSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b.sock")
	var opened []net.Listener
	var addresses []config.Address
	for _, a := range [][2]string{{"tcp4", "127.0.0.1:0"}, {"unix", path}} {
		l, err := net.Listen(a[0], a[1])
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, l)
		if a[0] == "unix" {
			addresses = append(addresses, config.Address{Unix: path})
		} else {
			addresses = append(addresses, tcpAddress(l.Addr().String()))
		}
	}
	for _, want := range []bool{true, false} {
		l, err := ownListening()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			if got := l.has(a); got != want {
				t.Errorf("has(%v) = %v, want %v", a, got, want)
			}
		}
		for _, l := range opened {
			_ = l.Close()
		}
	}
}

func FuzzProcNet(f *testing.F) {
	f.Add(procTCP)
	f.Add(procTCP6)
	f.Add(procUnix)
	f.Add("0: :1F90 x 0A")
	f.Fuzz(func(t *testing.T, s string) {
		l := &listening{tcp: make(map[netip.AddrPort]bool), unix: make(map[string]bool)}
		_ = l.parseTCP(strings.NewReader(s))
		_ = l.parseUnix(strings.NewReader(s))
		for a := range l.tcp {
			if !a.IsValid() || !l.has(config.Address{TCP: a}) {
				t.Errorf("%v was read from %q and is not found", a, s)
			}
		}
		for path := range l.unix {
			if path == "" {
				t.Errorf("a socket without a path was read from %q", s)
			}
		}
	})
}

func tcpAddress(s string) config.Address {
	return config.Address{TCP: netip.MustParseAddrPort(s)}
}
