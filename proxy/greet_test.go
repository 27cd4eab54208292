package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"sluice/internal/testnet"
	"sluice/proxy/greeting"
)

// heard is what a backend reads at first.
type heard struct {
	first []byte // of one read
	all   []byte
}

// hearing is a backend that answers "web" and hands over what it has read.
func hearing(t *testing.T, said chan heard) string {
	return listen(t, func(c *net.TCPConn) {
		b := make([]byte, 1<<16)
		n, _ := c.Read(b)
		io.WriteString(c, "web\n") // not before: it would have what is kept for more sent at once
		rest, _ := io.ReadAll(c)
		said <- heard{bytes.Clone(b[:n]), append(bytes.Clone(b[:n]), rest...)}
	})
}

func sendingProxy(how SendProxy) func(*Listener, *Pool) {
	return func(_ *Listener, p *Pool) { p.SendProxy = how }
}

// parsed is a header and what follows it.
func parsed(t *testing.T, b []byte) (g greeting.Greeting, rest []byte) {
	t.Helper()
	if v, _ := g.Parse(b); v != greeting.Found {
		t.Fatalf("no header in %q: verdict %d", b, v)
	}
	return g, b[g.Size:]
}

func TestBackendIsToldWhoseConnectionItIs(t *testing.T) {
	for _, how := range []SendProxy{SendV1, SendV2} {
		for _, relay := range []Relay{Splice, Copy} {
			t.Run(fmt.Sprint(how, relay), func(t *testing.T) {
				said := make(chan heard, 9)
				p := newPlane(t, func(l *Listener, pool *Pool) { pool.SendProxy, l.Relay = how, relay }, hearing(t, said))
				c := p.dial()
				io.WriteString(c, "payload")
				c.CloseWrite()
				io.Copy(io.Discard, c)
				h := <-said
				g, rest := parsed(t, h.all)
				if g.Source.String() != c.LocalAddr().String() || g.Destination != p.address || string(rest) != "payload" || int(how) != int(g.Version) {
					t.Errorf("got %+v and %q", g, rest)
				}
				if r := p.record(); r.Up != uint64(len("payload")) || r.Cause != Completed {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

// TestHeaderAndPayloadAreOneSegment has the first bytes there before the backend is
// connected: a listener that looks at them sees to that.
func TestHeaderAndPayloadAreOneSegment(t *testing.T) {
	said := make(chan heard, 9)
	address := hearing(t, said)
	main := poolOf("main", address)
	main.SendProxy = SendV2
	p := newRouted(t, nil, []Route{{SNI: []string{"nobody"}, Pool: main}}, main)
	hello := helloOf(t, "a.example", "h2")[:]
	one := 0
	for range 10 {
		trade(t, p, hello, 1<<16)
		h := <-said
		g, rest := parsed(t, h.all)
		if !bytes.Equal(rest, hello) {
			t.Fatalf("got %q after the header", rest)
		}
		if len(h.first) > g.Size {
			one++
		}
		if !bytes.Contains(g.TLVs, []byte("a.example")) || !bytes.Contains(g.TLVs, []byte{1, 0, 2, 'h', '2'}) {
			t.Errorf("TLVs %q", g.TLVs)
		}
	}
	if one != 10 {
		t.Errorf("%d of 10 headers came with what follows", one)
	}
}

func TestHeaderIsNotHeldBack(t *testing.T) {
	said := make(chan heard, 9)
	address := listen(t, func(c *net.TCPConn) { // speaks first, once it knows to whom
		b := make([]byte, 1<<10)
		n, _ := c.Read(b)
		said <- heard{first: b[:n]}
		io.WriteString(c, "hello\n")
		io.Copy(struct{ io.Writer }{c}, c)
	})
	p := newPlane(t, sendingProxy(SendV2), address)
	var took []time.Duration
	for range 20 {
		start := time.Now()
		c := p.dial()
		b := make([]byte, 6)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		parsed(t, (<-said).first)
		io.WriteString(c, "x") // small, and behind a header that may not be acknowledged yet
		if _, err := io.ReadFull(c, b[:1]); err != nil {
			t.Fatal(err)
		}
		c.Close()
		took = append(took, time.Since(start))
	}
	// 40 ms each would be a delayed acknowledgement, 200 ms a cork. A busy machine
	// holds up some, but not all.
	slices.Sort(took)
	if took[5] > 35*time.Millisecond {
		t.Errorf("the connections took %v", took)
	}
}

func TestRetryHasAHeaderOfItsOwn(t *testing.T) {
	said := make(chan heard, 9)
	p := newPlane(t, sendingProxy(SendV2), testnet.Refusing(t), hearing(t, said))
	for range 4 {
		_, back := trade(t, p, []byte("payload"), 99)
		g, rest := parsed(t, (<-said).all)
		if string(rest) != "payload" || len(back) != 0 {
			t.Errorf("got %+v, %q", g, rest)
		}
	}
}

func TestWhatWasReceivedIsPassedOn(t *testing.T) {
	said := make(chan heard, 9)
	p := newPlane(t, func(l *Listener, pool *Pool) {
		believing(ProxyRequired, "127.0.0.0/8")(l, pool)
		pool.SendProxy = SendV2
	}, hearing(t, said))
	for _, from := range []string{"192.0.2.7:4711", "[2001:db8::7]:4711"} {
		to := "[2001:db8::9]:443"
		trade(t, p, append(headerOf(from, to, 2, 0xea, 0, 2, 'h', 'i', 5, 0, 2, 'i', 'd'), "payload"...), 1<<16)
		g, rest := parsed(t, (<-said).all)
		if g.Source.String() != from || g.Destination.String() != to || string(rest) != "payload" ||
			!bytes.Contains(g.TLVs, []byte{0xea, 0, 2, 'h', 'i', 5, 0, 2, 'i', 'd', 3, 0, 4}) {
			t.Errorf("got %+v, %q", g, rest)
		}
	}
	unix := append([]byte("/run/from"), make([]byte, pathsSize-9)...)
	h := (&greeting.Greeting{Family: greeting.Unix, Paths: unix}).Append(nil, &greeting.Extra{})
	trade(t, p, append(h, "payload"...), 1<<16)
	if g, rest := parsed(t, (<-said).all); g.Family != greeting.Unix || !bytes.Equal(g.Paths, unix) || string(rest) != "payload" {
		t.Errorf("got %+v, %q", g, rest)
	}
}
