package proxy

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// damage is what may have become of the record of a connection, one of two.
var damage = []struct {
	name string
	do   func(c, other *conn)
	why  string
}{
	{"phase", func(c, _ *conn) { c.phase = 99 }, "phase 99"},
	{"phase, sending the fallback file", func(c, _ *conn) { c.phase = sending }, "is not its backend"},
	{"phase, lingering", func(c, _ *conn) { c.phase = lingering }, "is not its backend"},
	{"phase, queued", func(c, _ *conn) { c.phase = waiting }, "is not its backend"},
	{"cause", func(c, _ *conn) { c.cause = 200 }, "cause 200"},
	{"flags", func(c, _ *conn) { c.flags |= 1 << 31 }, "flags 0x8"},
	{"errno", func(c, _ *conn) { c.errno = 5000 }, "errno 5000"},
	{"client, not open", func(c, _ *conn) { c.client = 99999 }, "its descriptor 99999"},
	{"client, negative", func(c, _ *conn) { c.client = -7 }, "its descriptor -7"},
	{"client, another's", func(c, o *conn) { c.client = o.client }, "is named twice"},
	{"client, its backend", func(c, _ *conn) { c.client = c.backend }, "is named twice"},
	{"backend, not open", func(c, _ *conn) { c.backend = 99999 }, "its backend is gone"},
	{"backend, none", func(c, _ *conn) { c.backend = -1 }, "its backend is gone"},
	{"backend, another's", func(c, o *conn) { c.backend = o.backend }, "is named twice"},
	{"listener", func(c, _ *conn) { c.listener = 77 }, "a connection of listener 77"},
	{"backend's number", func(c, _ *conn) { c.backendID = 77 }, "its backend is gone"},
	{"a flow's bits", func(c, _ *conn) { flowBits(c.upSide().stream, 0xffff) }, "a flow in no possible state"},
	{"a flow's pending bytes", func(c, _ *conn) { c.up.Carry(500) }, "500 bytes were in no pipe"},
	{"a flow's carrier", func(c, _ *conn) { c.down.carrier = 1 << 30 }, "its pipe is none"},
	{"a flow's buffer", func(c, _ *conn) { c.down.carrier = 1 << 30; c.flags |= downBuffered }, "its buffer is none"},
	{"accepted", func(c, _ *conn) { c.accepted = -1 }, "a time of -1 ns"},
	{"queuedAt", func(c, _ *conn) { c.queuedAt = 1 << 62 }, "a time of"},
	{"connectAt", func(c, _ *conn) { c.connectAt = -1 }, "a time of -1 ns"},
	{"connected", func(c, _ *conn) { c.connected = 1 << 62 }, "a time of"},
	{"firstByte", func(c, _ *conn) { c.firstByte = 1 << 62 }, "a time of"},
	{"lastMove", func(c, _ *conn) { c.lastMove = 1 << 62 }, "a time of"},
	{"brokenAt", func(c, _ *conn) { c.brokenAt = -9 }, "a time of"},
	{"tried", func(c, _ *conn) { triedLength(&c.tried, 200) }, "more backends tried"},
	{"address", func(c, _ *conn) { c.address[15]++ }, "is another client"},
	{"port", func(c, _ *conn) { c.port++ }, "is another client"},
	{"an address that is none", func(c, _ *conn) { c.flags &^= hasAddress }, "is another client"},
	{"client's kind", func(c, _ *conn) { c.flags |= clientUnix }, "is another client"},
	{"backend's kind", func(c, _ *conn) { c.flags |= backendUnix }, "is not its backend"},
}

// A record that makes no sense ends its connection with a reset, a word about it and
// a count, and nobody else's; no descriptor is left over.
func TestADamagedRecordIsAReset(t *testing.T) {
	for _, row := range damage {
		t.Run(row.name, func(t *testing.T) {
			echo := testnet.Start(t, "tcp4", testnet.Echo)
			p := newPlaneWith(t, Options{Workers: 1}, nil, echo.Address)
			hurt, well := p.dial(), p.dial()
			for i, c := range []*net.TCPConn{hurt, well} {
				if _, err := testnet.Exchange(c, testnet.Stream(i), 1000); err != nil {
					t.Fatal(err)
				}
			}
			old := p.Server
			old.Pause()
			c, _ := p.connOf(hurt)
			other, _ := p.connOf(well)
			extra := []int{int(c.client), int(c.backend)} // they come over whatever the record says
			row.do(c, other)
			both := c.client == other.client || c.backend == other.backend // who of the two it is, nobody can say
			carried := p.succeed(old, nil, []string{echo.Address}, extra...)
			reset := 1
			if both {
				reset = 2
			}
			if carried.Reset != reset || carried.Connections != 2-reset || carried.Accepted != 0 || !strings.Contains(strings.Join(carried.Why, "; "), row.why) {
				t.Errorf("carried %+v", carried)
			}
			hurt.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadAll(hurt); !testnet.IsReset(err) {
				t.Errorf("its client reads %v, want a reset", err)
			}
			if !both {
				if _, err := testnet.Exchange(well, 7, 1000); err != nil {
					t.Errorf("the other client: %v", err)
				}
			}
			well.Close()
			testnet.Eventually(t, 30*time.Second, "no connection is left", func() bool { return p.Stats().Active == 0 })
			if s := p.Stats(); s.Accepted != 2 || s.Closed[Internal] != uint64(reset) {
				t.Errorf("%+v", s)
			}
			for _, fd := range extra {
				if sys.KindOf(fd) == sys.SocketKind && !slices.Contains(p.Descriptors(), fd) {
					t.Errorf("descriptor %d is left over", fd)
				}
			}
		})
	}
}

// connOf is the conn of a client of this process, and its card.
func (p *plane) connOf(client *net.TCPConn) (*conn, *card) {
	for _, w := range p.workers {
		for slot := uint32(1); slot <= w.slab.page.used; slot++ {
			if c := w.slab.at(slot); c.generation != 0 && c.clientAddress().String() == client.LocalAddr().String() {
				return c, w.slab.card(slot)
			}
		}
	}
	p.t.Fatal("there is no such conn")
	return nil, nil
}

func TestWhoASocketIsConnectedTo(t *testing.T) {
	for _, c := range []struct {
		to, peer string
		is       bool
	}{
		{"192.0.2.1:80", "192.0.2.1:80", true}, {"192.0.2.1:80", "192.0.2.1:81", false}, {"192.0.2.1:80", "192.0.2.2:80", false},
		{"[::ffff:192.0.2.1]:80", "192.0.2.1:80", true}, {"[fe80::1%eth0]:80", "[fe80::1%2]:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true}, {"[::]:80", "[::1]:80", true}, {"0.0.0.0:80", "127.0.0.1:81", false},
	} {
		a := Address{TCP: netip.MustParseAddrPort(c.to)}
		if is := a.isPeer(netip.MustParseAddrPort(c.peer)); is != c.is {
			t.Errorf("connected to %s, says %s: %v, want %v", c.to, c.peer, is, c.is)
		}
	}
}
