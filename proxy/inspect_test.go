package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/gaissmai/bart"

	"sluice/balancer"
	"sluice/internal/testnet"
	"sluice/proxy/greeting"
)

// helloOf is what a client of crypto/tls says first, a large key share included.
func helloOf(t *testing.T, name string, alpn ...string) []byte {
	t.Helper()
	client, server := net.Pipe()
	go tls.Client(client, &tls.Config{ServerName: name, NextProtos: alpn, InsecureSkipVerify: true}).Handshake()
	b := make([]byte, 1<<16)
	n, err := server.Read(b)
	testnet.Must(t, "a ClientHello", err)
	for n < 5 || n < 5+int(b[3])<<8+int(b[4]) {
		more, err := server.Read(b[n:])
		testnet.Must(t, "a ClientHello", err)
		n += more
	}
	server.Close()
	return b[:n]
}

// saying answers with a name, and then with whatever comes.
func saying(t *testing.T, name string) string {
	return listen(t, func(c *net.TCPConn) {
		io.WriteString(c, name+"\n")
		io.Copy(struct{ io.Writer }{c}, c)
		c.CloseWrite()
	})
}

// poolOf is a pool of one backend.
func poolOf(name, address string) *Pool {
	p := &Pool{Name: name, ConnectTimeout: 3 * time.Second}
	if address != "" {
		load := &balancer.Load{}
		p.Backends = []*Backend{{Name: address, Address: Address{TCP: netip.MustParseAddrPort(address)}, Load: load}}
		p.Balancer, _ = balancer.NewPool("round_robin", []balancer.Backend{{Name: address, Weight: 1, Load: load}})
	}
	return p
}

// newRouted is a plane whose listener has routes.
func newRouted(t *testing.T, change func(l *Listener), routes []Route, main *Pool) *plane {
	t.Helper()
	return newPlane(t, func(l *Listener, _ *Pool) {
		l.Pool, l.Routes, l.InspectTimeout = main, NewRoutes(routes), 5*time.Second
		if change != nil {
			change(l)
		}
	}, "127.0.0.1:1")
}

// trade sends all that is said, in pieces, and returns what came back of it after
// the name of the backend.
func trade(t *testing.T, p *plane, said []byte, piece int) (name string, back []byte) {
	t.Helper()
	c := p.dial()
	c.SetNoDelay(true)
	for rest := said; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if _, err := c.Write(rest[:min(piece, len(rest))]); err != nil {
			t.Fatal(err)
		}
	}
	c.CloseWrite()
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", all, err)
	}
	first, back, _ := bytes.Cut(all, []byte("\n"))
	return string(first), back
}

func TestClientHelloIsPeekedAndCarried(t *testing.T) {
	a, b := saying(t, "a"), saying(t, "b")
	p := newRouted(t, nil, []Route{
		{SNI: []string{"api.example.com"}, ALPN: []string{"h2"}, Pool: poolOf("a", a)},
		{SNI: []string{"*.example.com"}, Pool: poolOf("b", b)},
	}, poolOf("main", saying(t, "main")))
	for _, c := range []struct {
		said  []byte
		want  string
		sni   string
		route int
	}{
		{helloOf(t, "api.example.com", "h2", "http/1.1"), "a", "api.example.com", 0},
		{helloOf(t, "api.example.com", "http/1.1"), "b", "api.example.com", 1},
		{helloOf(t, "x.y.example.com"), "b", "x.y.example.com", 1},
		{helloOf(t, "other.org"), "main", "other.org", -1},
		{helloOf(t, ""), "main", "", -1},
		{[]byte("GET / HTTP/1.1\r\n\r\n"), "main", "", -1},
		{[]byte{22, 3}, "main", "", -1}, // and no more
		{nil, "main", "", -1},
	} {
		for _, piece := range []int{1, 7, 600, 1 << 16} {
			if piece == 1 {
				c.said = append(c.said, bytes.Repeat([]byte{0}, 100)...)
			}
			name, back := trade(t, p, c.said, piece)
			if name != c.want || !bytes.Equal(back, c.said) {
				t.Fatalf("%d bytes in pieces of %d: got %q and %d bytes, want %q and all", len(c.said), piece, name, len(back), c.want)
			}
			if r := p.record(); r.SNI != c.sni || r.Routed != (c.route >= 0) || r.Routed && r.Route != c.route || r.Pool != c.want || r.Cause != Completed || r.Up != uint64(len(c.said)) {
				t.Errorf("record %+v, want sni %q, route %d", r, c.sni, c.route)
			}
		}
	}
	if s := p.Stats(); s.NotTLS == 0 || s.NoName == 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestNoRouteAndNoPoolTurnsAway(t *testing.T) {
	p := newRouted(t, nil, []Route{{SNI: []string{"a.example"}, Pool: poolOf("a", saying(t, "a"))}}, Nowhere())
	for _, said := range [][]byte{helloOf(t, "b.example"), []byte("GET /"), helloOf(t, "")} {
		c := p.dial()
		c.Write(said)
		if _, err := c.Read(make([]byte, 1)); !testnet.IsReset(err) {
			t.Errorf("got %v, want a reset", err)
		}
		if r := p.record(); r.Cause != NoRoute || r.Pool != "" {
			t.Errorf("record %+v", r)
		}
	}
}

func TestRoutesBySourceDoNotWait(t *testing.T) {
	p := newRouted(t, nil, []Route{{Source: prefixes("127.0.0.0/8"), Pool: poolOf("a", saying(t, "a"))}, {SNI: []string{"x"}, Pool: poolOf("b", saying(t, "b"))}}, Nowhere())
	c := p.dial()
	b := make([]byte, 2)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "a\n" {
		t.Errorf("a server that speaks first: got %q, %v", b, err)
	}
	c.CloseWrite()
	io.Copy(io.Discard, c)
	if r := p.record(); !r.Routed || r.Route != 0 || r.Pool != "a" {
		t.Errorf("record %+v", r)
	}
}

func TestInspectionEndsInTime(t *testing.T) {
	p := newRouted(t, func(l *Listener) { l.InspectTimeout = 50 * time.Millisecond }, []Route{{SNI: []string{"x"}, Pool: poolOf("a", saying(t, "a"))}}, poolOf("main", saying(t, "main")))
	for _, said := range []string{"", "\x16\x03\x01"} {
		c := p.dial()
		io.WriteString(c, said)
		if _, err := c.Read(make([]byte, 1)); !testnet.IsReset(err) {
			t.Errorf("got %v, want a reset", err)
		}
		if r := p.record(); r.Cause != InspectTimedOut || r.Total < 50*time.Millisecond || r.Total > 5*time.Second {
			t.Errorf("record %+v", r)
		}
	}
}

func TestAClientThatLeavesWhileItIsInspectedHasAborted(t *testing.T) {
	p := newRouted(t, func(l *Listener) { l.InspectTimeout = time.Minute }, []Route{{SNI: []string{"x"}, Pool: poolOf("a", saying(t, "a"))}}, poolOf("main", saying(t, "main")))
	c := p.dial()
	testnet.Eventually(t, 30*time.Second, "it is seen", func() bool { cs := p.Conns(); return len(cs) == 1 && cs[0].Phase == "inspecting" })
	c.SetLinger(0)
	c.Close()
	if r := p.record(); r.Cause != ClientAborted {
		t.Errorf("record %+v", r)
	}
}

// believing makes a listener read PROXY headers.
func believing(how ProxyProtocol, from ...string) func(*Listener, *Pool) {
	return func(l *Listener, _ *Pool) {
		l.Proxy, l.ProxyFrom, l.InspectTimeout = how, &bart.Lite{}, 5*time.Second
		for _, p := range prefixes(from...) {
			l.ProxyFrom.Insert(p)
		}
	}
}

func headerOf(from, to string, version int, tlvs ...byte) []byte {
	g := greeting.Greeting{Family: greeting.TCP, Source: netip.MustParseAddrPort(from), Destination: netip.MustParseAddrPort(to)}
	if version == 1 {
		return g.AppendLine(nil)
	}
	return g.Append(nil, &greeting.Extra{Received: tlvs})
}

func TestPROXYHeaderIsTakenExactly(t *testing.T) {
	p := newPlane(t, believing(ProxyRequired, "127.0.0.0/8"), saying(t, "web"))
	for _, h := range [][]byte{
		headerOf("192.0.2.7:4711", "198.51.100.1:443", 1), headerOf("[2001:db8::7]:4711", "[2001:db8::9]:443", 1),
		headerOf("192.0.2.7:4711", "198.51.100.1:443", 2, 0xea, 0, 2, 'h', 'i'), headerOf("[2001:db8::7]:4711", "[2001:db8::9]:443", 2),
	} {
		var g greeting.Greeting
		g.Parse(h)
		for _, piece := range []int{1, 11, 1 << 16} {
			payload := []byte("PROXY and more, which is the client's")
			name, back := trade(t, p, append(bytes.Clone(h), payload...), piece)
			if name != "web" || !bytes.Equal(back, payload) {
				t.Fatalf("in pieces of %d: got %q, %q", piece, name, back)
			}
			if r := p.record(); r.Client != g.Source || !r.Peer.Addr().IsLoopback() || r.Up != uint64(len(payload)) || r.Cause != Completed {
				t.Errorf("record %+v, want client %v", r, g.Source)
			}
		}
	}
	if n := p.Stats().ProxyHeaders; n != 12 {
		t.Errorf("counted %d headers, want 12", n)
	}
}

func TestWhoIsBelieved(t *testing.T) {
	good := headerOf("192.0.2.7:4711", "198.51.100.1:443", 2)
	for _, c := range []struct {
		name  string
		how   ProxyProtocol
		from  string
		said  string
		cause Cause
		back  string
	}{
		{"required, not believed", ProxyRequired, "10.0.0.0/8", string(good), ProxyHeaderMissing, ""},
		{"required, none", ProxyRequired, "127.0.0.1/32", "hello", ProxyHeaderMissing, ""},
		{"required, the end", ProxyRequired, "127.0.0.1/32", "", ProxyHeaderMissing, ""},
		{"required, malformed", ProxyRequired, "127.0.0.1/32", "PROXY TCP4 x\r\n", ProxyHeaderMalformed, ""},
		{"required, half", ProxyRequired, "127.0.0.1/32", "PROXY TCP4 ", ProxyHeaderMalformed, ""},
		{"optional, malformed", ProxyOptional, "127.0.0.1/32", "PROXY TCP4 x\r\n", ProxyHeaderMalformed, ""},
		{"optional, none", ProxyOptional, "127.0.0.1/32", "hello", Completed, "hello"},
		{"optional, not believed", ProxyOptional, "10.0.0.0/8", string(good), Completed, string(good)},
		{"optional, given", ProxyOptional, "127.0.0.1/32", string(good) + "hello", Completed, "hello"},
		{"optional, the end", ProxyOptional, "127.0.0.1/32", "", Completed, ""},
		{"LOCAL", ProxyRequired, "127.0.0.1/32", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00hello", Completed, "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlane(t, believing(c.how, c.from), saying(t, "web"))
			var all []byte
			conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(p.address)) // the reset may come at once
			if err == nil {
				defer conn.Close()
				io.WriteString(conn, c.said)
				conn.CloseWrite()
				all, err = io.ReadAll(conn)
			}
			if c.cause == Completed && (err != nil || string(all) != "web\n"+c.back) {
				t.Errorf("got %q, %v", all, err)
			}
			if c.cause != Completed && !testnet.IsReset(err) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %q, %v, want a reset", all, err)
			}
			r := p.record()
			if r.Cause != c.cause {
				t.Errorf("record %+v", r)
			}
			if c.name == "LOCAL" && (r.Peer.IsValid() || !r.Client.Addr().IsLoopback()) {
				t.Errorf("LOCAL is said to be from %v", r.Client)
			}
		})
	}
}

func TestOptionalHeaderDoesNotHoldUpAServerThatSpeaksFirstForEver(t *testing.T) {
	p := newPlane(t, func(l *Listener, pool *Pool) {
		believing(ProxyOptional, "127.0.0.1/32")(l, pool)
		l.InspectTimeout = 50 * time.Millisecond
	}, saying(t, "web"))
	c := p.dial()
	if b, err := io.ReadAll(io.LimitReader(c, 4)); string(b) != "web\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestPROXYHeaderAndClientHello(t *testing.T) {
	p := newRouted(t, func(l *Listener) { believing(ProxyRequired, "127.0.0.0/8")(l, nil) },
		[]Route{{SNI: []string{"a.example"}, Source: prefixes("192.0.2.0/24"), Pool: poolOf("a", saying(t, "a"))}}, poolOf("main", saying(t, "main")))
	for from, want := range map[string]string{"192.0.2.7:1": "a", "192.0.3.7:1": "main"} {
		for _, piece := range []int{1, 1 << 16} {
			said := helloOf(t, "a.example")
			name, back := trade(t, p, append(headerOf(from, "198.51.100.1:443", 2), said...), piece)
			if name != want || !bytes.Equal(back, said) {
				t.Errorf("from %s: got %q", from, name)
			}
			if r := p.record(); r.Client.String() != from || r.SNI != "a.example" {
				t.Errorf("record %+v", r)
			}
		}
	}
}

// TestALongNameIsToldWhole holds the pieces in which a name is told to it.
func TestALongNameIsToldWhole(t *testing.T) {
	p := newRouted(t, nil, []Route{{SNI: []string{"*"}, Pool: poolOf("a", saying(t, "a"))}}, Nowhere())
	for n := 1; n <= 253; n += 21 {
		name := string(bytes.Repeat([]byte("a"), min(n, 63)))
		for len(name)+2 < n {
			name += "." + string(bytes.Repeat([]byte("b"), min(n-len(name)-1, 63)))
		}
		trade(t, p, helloOf(t, name), 1<<16)
		if r := p.record(); r.SNI != name {
			t.Errorf("got %q, want %q", r.SNI, name)
		}
	}
}
