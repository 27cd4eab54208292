package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// Where the kernel has no MPTCP these tests are about what stands in for it.

// byMPTCP has a listener take MPTCP.
func byMPTCP(relay Relay) func(*Listener, *Pool) {
	return func(l *Listener, _ *Pool) { l.Relay, l.Reach.Multipath = relay, true }
}

// dialMPTCP is dial for a client that speaks MPTCP if it can.
func (p *plane) dialMPTCP() *net.TCPConn {
	p.t.Helper()
	c := testnet.Dial(p.t, testnet.ByMultipath(p.address.String()))
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

func TestAListenerOfMPTCPServesBothKinds(t *testing.T) {
	has := testnet.HasMPTCP()
	for _, relay := range relays {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			seen := make(chan bool, 2)
			echo := testnet.Start(t, "tcp4", func(ctx context.Context, c testnet.Conn) {
				seen <- testnet.Multipath(c)
				testnet.Echo(ctx, c)
			})
			p := newPlane(t, byMPTCP(relay), echo.Address)
			for want, dial := range map[bool]func() *net.TCPConn{false: p.dial, true: p.dialMPTCP} {
				want = want && has
				c := dial()
				if _, err := testnet.Exchange(c, 1, 1<<20); err != nil {
					t.Fatal(err)
				}
				if testnet.Multipath(c) != want || <-seen {
					t.Errorf("client of MPTCP %v: it became %v; or its backend was connected by MPTCP", want, testnet.Multipath(c))
				}
				if all := p.Conns(); len(all) != 1 || all[0].Multipath != want {
					t.Errorf("client of MPTCP %v: %+v", want, all)
				}
				c.CloseWrite()
				io.Copy(io.Discard, c)
				if r := p.record(); r.Cause != Completed || r.Up != 1<<20 {
					t.Errorf("record %+v", r)
				}
			}
			n := uint64(0)
			if has {
				n = 1
			}
			if s := p.Stats(); s.Multipath != n || p.Listening()["web"].Multipath != has {
				t.Errorf("%d clients of MPTCP, want %d; the listener takes it: %v, want %v", s.Multipath, n, p.Listening()["web"].Multipath, has)
			}
		})
	}
}

// lackMPTCP has the kernel refuse MPTCP while a test runs.
func lackMPTCP(t *testing.T, e syscall.Errno) {
	t.Helper()
	was := multipathSocket
	multipathSocket = func(int) (int, syscall.Errno) { return -1, e }
	t.Cleanup(func() { multipathSocket = was })
}

func TestWithoutMPTCPItIsSaidOnceAndTCPServed(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EPROTONOSUPPORT, syscall.ENOPROTOOPT, syscall.EINVAL, syscall.EPERM, syscall.EACCES} {
		t.Run(e.Error(), func(t *testing.T) {
			lackMPTCP(t, e)
			notices := make(chan Notice, 10)
			change := func(l *Listener, p *Pool) {
				byMPTCP(Splice)(l, p)
				l.Bind = append(l.Bind, Address{TCP: netip.MustParseAddrPort("127.0.0.2:0")})
			}
			echo := testnet.Start(t, "tcp4", testnet.Echo).Address
			p := newPlaneWith(t, Options{Workers: 2, Notice: func(n Notice) { notices <- n }}, change, echo)
			p.publish(change, echo)
			if _, err := testnet.Exchange(p.dialMPTCP(), 1, 1000); err != nil {
				t.Error(err)
			}
			if p.Listening()["web"].Multipath {
				t.Error("it is said to take MPTCP")
			}
			p.Shutdown(t.Context(), 0) // all is told
			close(notices)
			n := <-notices
			if n != (Notice{Kind: NoticeNoMPTCP, Listener: "web", Errno: e}) {
				t.Errorf("notice %+v", n)
			}
			for n := range notices {
				t.Errorf("another notice: %+v", n)
			}
		})
	}
}

func TestWhatIsNotAboutMPTCPIsAFault(t *testing.T) {
	p := newPlane(t, nil, "127.0.0.1:1")
	lackMPTCP(t, syscall.EMFILE)
	if err := publish(p.Server, byMPTCP(Splice), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "too many open files") {
		t.Errorf("got %v", err)
	}
}

func TestMultipathOnAndOffLosesNobody(t *testing.T) {
	at := Address{TCP: netip.MustParseAddrPort(testnet.FreeAddress(t, "tcp4"))}
	echo := testnet.Start(t, "tcp4", testnet.Echo).Address
	as := func(multipath bool) func(*Listener, *Pool) {
		return func(l *Listener, _ *Pool) { l.Bind, l.Reach.Multipath = []Address{at}, multipath }
	}
	p := newPlane(t, as(false), echo)
	var clients []*net.TCPConn
	for i := range 4 {
		waiting := p.dialMPTCP() // in the queue of a door that is about to go, as a rule
		p.publish(as(i%2 == 0), echo)
		if takes := p.Listening()["web"].Multipath; takes != (i%2 == 0 && testnet.HasMPTCP()) {
			t.Errorf("reload %d: it takes MPTCP: %v", i, takes)
		}
		for _, c := range append(clients, waiting, p.dialMPTCP()) {
			if _, err := testnet.Exchange(c, 1, 10_000); err != nil {
				t.Errorf("reload %d: %v", i, err)
			}
		}
		clients = append(clients, waiting)
	}
}

// mptcpPair is two connected sockets of MPTCP, the first accepted.
func mptcpPair(t *testing.T) (own, other *net.TCPConn) {
	t.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(true)
	l, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer l.Close()
	other = testnet.Dial(t, testnet.ByMultipath(l.Addr().String())).(*net.TCPConn)
	c, err := l.Accept()
	testnet.Must(t, "accept", err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn), other
}

// descriptor has f look at the descriptor of a connection.
func descriptor(t *testing.T, c *net.TCPConn, f func(fd int)) {
	t.Helper()
	raw, err := c.SyscallConn()
	testnet.Must(t, "the descriptor", err)
	raw.Control(func(fd uintptr) { f(int(fd)) })
}

// What was taken, given and waits is told to the byte, with or without a FIN.
func TestCountsOfMPTCP(t *testing.T) {
	own, other := mptcpPair(t)
	tells := func(when string, wantTaken, wantGiven uint64, wantUnread int) {
		t.Helper()
		descriptor(t, own, func(fd int) {
			c := &conn{client: int32(fd)}
			if testnet.HasMPTCP() {
				c.flags = clientMPTCP
			}
			testnet.Eventually(t, 30*time.Second, when+": all is there", func() bool { return c.unread() == wantUnread })
			got, e1 := taken(fd)
			gave, e2 := given(fd, false)
			if got != wantTaken || gave != wantGiven || e1 != nil || e2 != nil {
				t.Errorf("%s: taken %d, %v, given %d, %v; want %d, %d", when, got, e1, gave, e2, wantTaken, wantGiven)
			}
		})
	}
	tells("at first", 0, 0, 0)
	other.Write(make([]byte, 1000))
	tells("after a write", 0, 0, 1000)
	io.ReadFull(own, make([]byte, 400))
	own.Write(make([]byte, 300))
	tells("after a read", 400, 300, 600)
	io.ReadFull(other, make([]byte, 300))
	other.CloseWrite()
	descriptor(t, own, func(fd int) {
		testnet.Eventually(t, 30*time.Second, "the FIN is there", func() bool {
			f, _ := sys.TCP(fd)
			return f.State == sys.CloseWait || sys.Unread(fd) == 601
		})
	})
	tells("after the FIN", 400, 300, 600)
	io.ReadFull(own, make([]byte, 600))
	tells("at the end", 1000, 300, 0)
	descriptor(t, other, func(fd int) { sys.Disconnect(fd) })
	other.Close()
	descriptor(t, own, func(fd int) {
		testnet.Eventually(t, 30*time.Second, "it is reset", func() bool { return sys.Failed(fd) })
		if n, err := taken(fd); err == nil && testnet.HasMPTCP() {
			t.Errorf("%d taken of one that was reset; want an error", n)
		}
	})
}

func TestUrgentByteForMPTCPIsDroppedAndCounted(t *testing.T) {
	backend := testnet.Start(t, "tcp4", func(_ context.Context, c testnet.Conn) {
		io.WriteString(c, "before")
		testnet.SendUrgent(c, '!')
		io.WriteString(c, "behind")
		c.CloseWrite()
		io.Copy(io.Discard, c)
	})
	p := newPlane(t, byMPTCP(Splice), backend.Address)
	c := p.dialMPTCP()
	got, err := io.ReadAll(testnet.PastMarks(c))
	if string(got) != "beforebehind" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	c.Close()
	p.record()
	if n := p.Stats().UrgentLost; (n == 1) != testnet.HasMPTCP() {
		t.Errorf("%d urgent bytes were lost", n)
	}
}

// A socket of MPTCP that another has opened serves MPTCP, and has no user_timeout.
func TestAPassedSocketOfMPTCP(t *testing.T) {
	var config net.ListenConfig
	config.SetMultipathTCP(true)
	l, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	t.Cleanup(func() { l.Close() })
	descriptor := 0
	raw, err := l.(*net.TCPListener).SyscallConn()
	testnet.Must(t, "the descriptor", err)
	raw.Control(func(fd uintptr) { descriptor = int(fd) })
	passed := func(l *Listener, _ *Pool) {
		l.Bind[0].Socket, l.Bind[0].FD = "web", descriptor
	}
	echo := testnet.Start(t, "tcp4", testnet.Echo).Address
	p := newPlane(t, passed, echo)
	p.address = l.Addr().(*net.TCPAddr).AddrPort()
	if _, err := testnet.Exchange(p.dialMPTCP(), 1, 1000); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); (s.Multipath == 1) != testnet.HasMPTCP() {
		t.Errorf("%d clients of MPTCP", s.Multipath)
	}
	err = publish(p.Server, func(l *Listener, pool *Pool) {
		passed(l, pool)
		l.Socket.UserTimeout = time.Second
	}, echo)
	if (err != nil && strings.Contains(err.Error(), "has no user_timeout")) != testnet.HasMPTCP() {
		t.Errorf("a user_timeout: %v", err)
	}
}
