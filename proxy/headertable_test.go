package proxy

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// sayTo writes to a plane in pieces, until it is cut short.
func sayTo(c testnet.Conn, said []byte, piece int) error {
	for rest := said; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if _, err := c.Write(rest[:min(piece, len(rest))]); err != nil {
			return err
		}
	}
	return nil
}

// patiently demands a header, and gives the time for it that a busy machine may need.
func patiently(l *Listener, pool *Pool) {
	believing(ProxyRequired, "127.0.0.0/8")(l, pool)
	slowly(l)
}

// TestEveryMalformedHeaderEndsItsConnection: whole and byte by byte, with its cause
// in the record, and no backend hears of it.
func TestEveryMalformedHeaderEndsItsConnection(t *testing.T) {
	backend := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, patiently, backend.Address)
	for name, header := range testnet.MalformedHeaders() {
		for _, piece := range []int{1, 1 << 16} {
			c := p.dial()
			err := sayTo(c, header, piece)
			n := 0
			if err == nil { // a reset is told once, to who writes or to who reads
				n, err = c.Read(make([]byte, 1))
			}
			if n > 0 || !testnet.IsReset(err) {
				t.Errorf("%s, in pieces of %d: got %d bytes, %v; want a reset", name, piece, n, err)
			}
			if r := p.record(); r.Cause != ProxyHeaderMalformed || r.Up != 0 || !r.Client.Addr().IsLoopback() {
				t.Errorf("%s, in pieces of %d: record %+v", name, piece, r)
			}
		}
	}
	if n := backend.Accepted(); n != 0 {
		t.Errorf("the backend heard of %d connections", n)
	}
	if n := p.Stats().ProxyHeaders; n != 0 {
		t.Errorf("counted %d headers as taken", n)
	}
}

// TestHeadersThatSayNobodyLeaveTheAddress: what the specification has a receiver take
// without taking an address from it.
func TestHeadersThatSayNobodyLeaveTheAddress(t *testing.T) {
	four := []byte{192, 0, 2, 7, 198, 51, 100, 9, 0x12, 0x34, 0x01, 0xbb}
	p := newPlane(t, patiently, testnet.Start(t, "tcp4", testnet.Echo).Address)
	for name, header := range map[string][]byte{
		"UNKNOWN":                  []byte("PROXY UNKNOWN\r\n"),
		"UNKNOWN and addresses":    []byte("PROXY UNKNOWN 2001:db8::7 2001:db8::9 1 2\r\n"),
		"UNSPEC":                   testnet.HeaderV2(0x21, 0),
		"UNSPEC and a TLV":         testnet.HeaderV2(0x21, 0, 5, 0, 1, 'x'),
		"UNSPEC and whatever":      testnet.HeaderV2(0x21, 0, 1, 2, 3, 4, 5),
		"LOCAL":                    testnet.HeaderV2(0x20, 0),
		"LOCAL with addresses":     testnet.HeaderV2(0x20, 0x11, four...),
		"LOCAL with less than one": testnet.HeaderV2(0x20, 0x11, 1, 2),
		"UDP":                      testnet.HeaderV2(0x21, 0x12, four...),
	} {
		for _, piece := range []int{1, 1 << 16} {
			c := p.dial()
			sayTo(c, append(header, "payload"...), piece)
			c.CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "payload" || err != nil {
				t.Errorf("%s, in pieces of %d: got %q, %v", name, piece, got, err)
			}
			own := c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
			if r := p.record(); r.Cause != Completed || r.Client != own || r.Up != uint64(len("payload")) {
				t.Errorf("%s, in pieces of %d: record %+v, want client %v", name, piece, r, own)
			}
		}
	}
}

// TestHalfAHeaderEndsInTime: what is begun has to be finished, wherever it stops.
func TestHalfAHeaderEndsInTime(t *testing.T) {
	backend := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, func(l *Listener, pool *Pool) {
		believing(ProxyRequired, "127.0.0.0/8")(l, pool)
		l.InspectTimeout = 100 * time.Millisecond
	}, backend.Address)
	for _, whole := range [][]byte{headerOf("192.0.2.7:1", "192.0.2.8:2", 1), headerOf("192.0.2.7:1", "192.0.2.8:2", 2, 0xe0, 0, 2, 'h', 'i')} {
		conns := map[netip.AddrPort]int{}
		for n := 1; n < len(whole); n++ {
			c := p.dial()
			sayTo(c, whole[:n], n)
			conns[c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()] = n
		}
		for range len(conns) {
			r := p.record()
			if n, ok := conns[r.Client]; !ok || r.Cause != InspectTimedOut || r.Total < 100*time.Millisecond {
				t.Errorf("behind %d of %d bytes: record %+v", n, len(whole), r)
			}
		}
	}
	if n := backend.Accepted(); n != 0 {
		t.Errorf("the backend heard of %d connections", n)
	}
}
