package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// ask is one probe of type tcp.
func ask(a config.Address, timeout time.Duration) error {
	if a.Unix != "" {
		return probeUnix(context.Background(), a, timeout)
	}
	c := newConnector()
	defer c.close()
	return askBy(c, a, timeout)
}

// listen listens on a port of its own, and returns it with its address.
func listen(t *testing.T, network, at string) (net.Listener, config.Address) {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if network == "unix" {
		return l, config.Address{Unix: at}
	}
	return l, config.Address{TCP: l.Addr().(*net.TCPAddr).AddrPort()}
}

// full listens with a backlog that is full: on TCP the kernel answers no SYN
// any more.
func full(t *testing.T, at *sys.Sockaddr) (listener int) {
	t.Helper()
	fd, errno := sys.Socket(at.Family())
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { sys.Close(fd) })
	if errno := sys.Bind(fd, at); errno != 0 {
		t.Fatalf("bind: %v", errno)
	}
	if errno := sys.Listen(fd, 0); errno != 0 {
		t.Fatal(errno)
	}
	*at, _ = sys.LocalAddr(fd)
	for range 2 { // one more than the backlog is accepted
		c, errno := sys.Socket(at.Family())
		if errno != 0 {
			t.Fatal(errno)
		}
		t.Cleanup(func() { sys.Close(c) })
		sys.Connect(c, at)
	}
	return fd
}

func TestProbeFindsAListenerUp(t *testing.T) {
	for _, tt := range []struct{ name, network, at string }{
		{"tcp4", "tcp4", "127.0.0.1:0"},
		{"tcp6", "tcp6", "[::1]:0"},
		{"unix", "unix", filepath.Join(t.TempDir(), "s")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.network == "tcp6" && !hasIPv6() {
				testnet.Skip(t, "no IPv6 on loopback")
			}
			testnet.Leaks(t)
			_, a := listen(t, tt.network, tt.at)
			for range 3 {
				if err := ask(a, 5*time.Second); err != nil {
					t.Errorf("probe: %v", err)
				}
			}
		})
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

func TestProbeSaysWhyNot(t *testing.T) {
	closed, gone := listen(t, "tcp", "127.0.0.1:0")
	closed.Close()
	path := filepath.Join(t.TempDir(), "s")
	fullTCP, fullUnix := sys.TCPAddr(netip.MustParseAddrPort("127.0.0.1:0")), sys.UnixAddr(path)
	full(t, &fullTCP)
	full(t, &fullUnix)
	silent := config.Address{TCP: fullTCP.AddrPort()}

	for _, tt := range []struct {
		name string
		at   config.Address
		want string
	}{
		{"refused", gone, fmt.Sprintf("connect %v: connection refused", gone)},
		{"no answer", silent, fmt.Sprintf("connect %v: no answer within 100ms", silent)},
		{"no socket", config.Address{Unix: path + "x"}, fmt.Sprintf("connect unix:%sx: no such file or directory", path)},
		{"unix with a full backlog", config.Address{Unix: path}, fmt.Sprintf("connect unix:%s: queue full for 100ms", path)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			began := time.Now()
			err := ask(tt.at, 100*time.Millisecond)
			if d := time.Since(began); d > 4*time.Second {
				t.Errorf("took %v of its 100ms", d)
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if _, ok := err.(unasked); ok {
				t.Errorf("%v is not held against the backend", err)
			}
		})
	}
}

func TestProbeWaitsForAPlaceInTheQueue(t *testing.T) {
	testnet.Leaks(t)
	path := filepath.Join(t.TempDir(), "s")
	at := sys.UnixAddr(path)
	l := full(t, &at)
	if e := ask(config.Address{Unix: path}, 10*time.Millisecond); e == nil {
		t.Fatal("the queue is not full")
	}
	time.AfterFunc(20*time.Millisecond, func() {
		if c, errno := sys.Accept(l, new(sys.Sockaddr)); errno == 0 {
			sys.Close(c)
		}
	})
	if err := ask(config.Address{Unix: path}, time.Minute); err != nil {
		t.Errorf("probe: %v", err)
	}
}

func TestProbeInAFullQueueEndsWithItsContext(t *testing.T) {
	testnet.Leaks(t)
	path := filepath.Join(t.TempDir(), "s")
	at := sys.UnixAddr(path)
	full(t, &at)
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	time.AfterFunc(20*time.Millisecond, cancel)
	err := probeUnix(ctx, config.Address{Unix: path}, time.Minute)
	if _, ok := err.(unasked); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that nothing is said of the backend", err)
	}
	if d := time.Since(began); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestProbeIsNotSeenByTheBackend(t *testing.T) {
	const n = 50
	l, a := listen(t, "tcp4", "127.0.0.1:0")
	for range n {
		if err := ask(a, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	last, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	seen := 0
	for ; ; seen++ {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if c.RemoteAddr().String() == last.LocalAddr().String() {
			break
		}
	}
	// One that was held up between its two last system calls for 40 ms or more
	// is seen; that is rare even on a busy machine.
	if seen > n/5 {
		t.Errorf("the backend accepted %d of %d probes", seen, n)
	}
}

func TestProbeLeavesNoTimeWait(t *testing.T) {
	l, a := listen(t, "tcp4", "127.0.0.1:0")
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	before := socketsAt(t, timeWait, port) // of somebody who had the port
	for range 20 {
		if err := ask(a, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if left := socketsAt(t, timeWait, port); len(left) > len(before) {
		t.Errorf("left behind:\n%s", strings.Join(left, ""))
	}
}

func TestOwnWantIsNotHeldAgainstTheBackend(t *testing.T) {
	a := config.Address{TCP: netip.MustParseAddrPort("127.0.0.1:1")}
	for errno, want := range map[syscall.Errno]bool{
		syscall.EADDRNOTAVAIL: true, syscall.ENOMEM: true,
		syscall.ECONNREFUSED: false, syscall.EHOSTUNREACH: false, syscall.ENETUNREACH: false, syscall.EACCES: false,
	} {
		if _, got := connectError(a, errno).(unasked); got != want {
			t.Errorf("%v: unasked %v, want %v", errno, got, want)
		}
	}
}

func TestInterfaceThatIsNotThereIsNamed(t *testing.T) {
	a := config.Address{TCP: netip.MustParseAddrPort("[fe80::1%nosuch]:80")}
	err := connectError(a, syscall.EINVAL)
	if want := "connect [fe80::1%nosuch]:80: no interface nosuch"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !hasIPv6() {
		testnet.Skip(t, "no IPv6 on loopback")
	}
	if got := ask(a, time.Second); got == nil || got.Error() != err.Error() {
		t.Errorf("got %v, want %v", got, err)
	}
}
