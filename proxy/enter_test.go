package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
	"sluice/proxy/guard"
)

// from dials the plane with an own address.
func (p *plane) from(ip string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := d.Dial("tcp", p.address.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// turnedAway is what a client sees: "reset", "closed" or what it was answered.
func (p *plane) turnedAway(ip string) string {
	p.t.Helper()
	c, err := p.from(ip)
	if errors.Is(err, syscall.ECONNRESET) {
		return "reset"
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 16)
	n, err := c.Read(b)
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, io.EOF):
		return "closed"
	case err != nil:
		p.t.Fatal(err)
	}
	return string(b[:n])
}

func deny(nets ...string) *guard.ACL {
	var all []netip.Prefix
	for _, n := range nets {
		all = append(all, netip.MustParsePrefix(n))
	}
	return guard.NewACL(nil, all)
}

func TestWhoIsDeniedIsTurnedAwayAsTheListenerSays(t *testing.T) {
	hello := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	for reject, want := range map[Reject]string{RejectReset: "reset", RejectClose: "closed"} {
		p := newPlane(t, func(l *Listener, _ *Pool) { l.ACL, l.Reject = deny("127.0.0.2/31"), reject }, hello.Address)
		if got := p.turnedAway("127.0.0.2"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		r := p.record() // before another worker has one
		if got := p.turnedAway("127.0.0.4"); got != "hello" {
			t.Errorf("who is not denied got %q", got)
		}
		if r.Cause != Denied || !r.Refused || r.More != 0 || r.Client.Addr() != netip.MustParseAddr("127.0.0.2") || r.Listener != "web" || r.Backend != "" {
			t.Errorf("record %+v", r)
		}
	}
}

// A flood has a few records that stand for all of it, and every count is exact.
func TestRefusalsAreSummedAndNoneIsLost(t *testing.T) {
	hello := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	p := newPlane(t, func(l *Listener, _ *Pool) { l.ACL = deny("127.0.0.2/32") }, hello.Address)
	const n = 500
	for range n {
		p.turnedAway("127.0.0.2")
	}
	p.publish(func(l *Listener, _ *Pool) { l.Name = "other" }, hello.Address) // nothing is put off for longer than the listener lives
	told, records := uint64(0), 0
	for told < n {
		told += 1 + p.record().More
		records++
	}
	if told != n || records > 20 {
		t.Errorf("%d records stand for %d, want a few for %d", records, told, n)
	}
	if s := p.Stats(); s.Accepted != n || s.Closed[Denied] != n || s.Active != 0 {
		t.Errorf("accepted %d, denied %d, active %d, want %d, %d, 0", s.Accepted, s.Closed[Denied], s.Active, n, n)
	}
}

func TestAReloadOfTheListsHoldsForTheNextClient(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	var acl *guard.ACL
	set := func(l *Listener, _ *Pool) { l.ACL = acl }
	p := newPlane(t, set, echo.Address)
	c, err := p.from("127.0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testnet.Exchange(c, 1, 1000); err != nil {
		t.Fatal(err)
	}
	acl = deny("127.0.0.9/32")
	p.publish(set, echo.Address)
	testnet.Eventually(t, 30*time.Second, "it is denied", func() bool { return p.turnedAway("127.0.0.9") == "reset" })
	if _, err := testnet.Exchange(c, 2, 1000); err != nil {
		t.Errorf("the connection that was there: %v", err)
	}
	c.Close()
}

func TestUnixAndMappedClients(t *testing.T) {
	hello := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	path := testnet.SocketPath(t)
	p := newPlane(t, func(l *Listener, _ *Pool) {
		l.Bind = []Address{{TCP: netip.MustParseAddrPort("[::]:0")}, {Unix: path}}
		l.ACL = guard.NewACL(nil, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	}, hello.Address)
	for _, b := range p.Bound("web") {
		if b.Unix == "" {
			p.address = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), b.TCP.Port())
		}
	}
	if got := p.turnedAway("127.0.0.1"); got != "reset" {
		t.Errorf("IPv4 through [::]: got %q", got)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("a unix client got %q, %v", b, err)
	}
}
