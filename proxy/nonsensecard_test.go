package proxy

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// damagedCards is what may have become of the card of a connection that is relayed, or
// of one whose PROXY header has not come whole.
var damagedCards = []struct {
	name      string
	inspected bool
	do        func(c *conn, k *card)
	why       string
}{
	{"stage", false, func(_ *conn, k *card) { k.stage = 99 }, "stage 99"},
	{"stage, of the inspected", true, func(_ *conn, k *card) { k.stage = stages }, "stage 6"},
	{"a stage before its phase", false, func(_ *conn, k *card) { k.stage = taking }, "its card says taking"},
	{"a phase before its stage", false, func(c *conn, _ *card) { c.phase = inspecting }, "it is inspected and has a backend"},
	{"family", false, func(_ *conn, k *card) { k.family = 3 }, "addresses of kind 3"},
	{"TLVs", false, func(_ *conn, k *card) { k.tlvSize = 553 }, "553 bytes of TLVs"},
	{"TLVs behind paths", false, func(_ *conn, k *card) { k.family, k.tlvSize = 2, 552-215 }, "337 bytes of TLVs"},
	{"ALPN", false, func(_ *conn, k *card) { k.alpnSize = 255 }, "255 bytes of ALPN"},
	{"taken, more than there can be", false, func(_ *conn, k *card) { k.taken = 1 << 20 }, "a PROXY header of 1048576 bytes"},
	{"taken, more than there was", false, func(_ *conn, k *card) { k.taken = 5000 }, "a PROXY header of 5000 bytes was taken of"},
	{"sent, more than was", false, func(_ *conn, k *card) { k.sent = 5000 }, "a PROXY header of 5000 bytes was sent in"},
	{"no card", true, func(c *conn, _ *card) { c.flags &^= carded }, "it is inspected and has no card"},
}

// As TestADamagedRecordIsAReset, of what is remembered beside the record.
func TestADamagedCardIsAReset(t *testing.T) {
	header := headerOf("192.0.2.7:4711", "198.51.100.1:443", 2, 0xea, 0, 2, 'h', 'i')
	for _, row := range damagedCards {
		t.Run(row.name, func(t *testing.T) {
			echo := testnet.Start(t, "tcp4", testnet.Echo)
			change := func(l *Listener, pool *Pool) {
				believing(ProxyRequired, "127.0.0.0/8")(l, pool)
				pool.SendProxy = SendV2
			}
			p := newPlaneWith(t, Options{Workers: 1}, change, echo.Address)
			relayed, inspected := p.dial(), p.dial()
			relayed.Write(append(bytes.Clone(header), "ping"...))
			hear(t, relayed, "ping")
			inspected.Write(header[:20])
			testnet.Eventually(t, 30*time.Second, "it is inspected", func() bool {
				for _, c := range p.Conns() {
					if c.Phase == "inspecting" && c.Client.String() == inspected.LocalAddr().String() {
						return true
					}
				}
				return false
			})
			hurt, well, rest := relayed, inspected, append(bytes.Clone(header[20:]), "pong"...)
			if row.inspected {
				hurt, well, rest = inspected, relayed, []byte("pong")
			}
			old := p.Server
			old.Pause()
			row.do(p.connOf(hurt))
			carried := p.succeed(old, change, []string{echo.Address})
			if carried.Reset != 1 || carried.Connections != 1 || !strings.Contains(strings.Join(carried.Why, "; "), row.why) {
				t.Errorf("carried %+v", carried)
			}
			if _, err := io.ReadAll(hurt); !testnet.IsReset(err) {
				t.Errorf("its client reads %v, want a reset", err)
			}
			well.Write(rest)
			hear(t, well, "pong")
			well.Close()
			testnet.Eventually(t, 30*time.Second, "no connection is left", func() bool { return p.Stats().Active == 0 })
			if s := p.Stats(); s.Accepted != 2 || s.Closed[Internal] != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// hear reads until what is wanted has come.
func hear(t *testing.T, c *net.TCPConn, want string) {
	t.Helper()
	var all []byte
	for b := make([]byte, 1<<10); !bytes.Contains(all, []byte(want)); {
		n, err := c.Read(b)
		if all = append(all, b[:n]...); err != nil {
			t.Fatalf("got %q, %v; want %q", all, err, want)
		}
	}
}
