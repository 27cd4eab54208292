package greeting

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"

	"sluice/internal/testnet"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var (
	four  = []byte{192, 0, 2, 7, 198, 51, 100, 9, 0x12, 0x34, 0x01, 0xbb}
	six   = join(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::9").AsSlice(), four[8:])
	paths = join([]byte("/run/from"), make([]byte, 99), []byte("/run/to"), make([]byte, 101))
)

// summedHeader is one with a right checksum at its end.
func summedHeader(command, family byte, body ...byte) []byte {
	b := testnet.HeaderV2(command, family, join(body, []byte{kindCRC, 0, 4, 0, 0, 0, 0})...)
	binary.BigEndian.PutUint32(b[len(b)-4:], sumOf(b, len(b)-4))
	return b
}

var wellFormed = []struct {
	name string
	b    []byte
	want Greeting
	odd  bool // go-proxyproto has another opinion
}{
	{"1, TCP4", []byte("PROXY TCP4 192.0.2.7 198.51.100.9 4660 443\r\n"), Greeting{Version: 1, Family: TCP}, false},
	{"1, TCP6", []byte("PROXY TCP6 2001:db8::7 2001:db8::9 4660 443\r\n"), Greeting{Version: 1, Family: TCP}, false},
	{"1, mapped", []byte("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.9 4660 443\r\n"), Greeting{Version: 1, Family: TCP}, false},
	{"1, the longest", []byte("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), Greeting{Version: 1, Family: TCP}, false},
	{"1, UNKNOWN", []byte("PROXY UNKNOWN\r\n"), Greeting{Version: 1}, false},
	{"1, UNKNOWN and more", []byte("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), Greeting{Version: 1}, false},
	{"2, TCP4", testnet.HeaderV2(0x21, 0x11, four...), Greeting{Version: 2, Family: TCP}, false},
	{"2, TCP6", testnet.HeaderV2(0x21, 0x21, six...), Greeting{Version: 2, Family: TCP}, false},
	{"2, unix", testnet.HeaderV2(0x21, 0x31, paths...), Greeting{Version: 2, Family: Unix}, false},
	{"2, UDP4 is none", testnet.HeaderV2(0x21, 0x12, four...), Greeting{Version: 2}, true},
	{"2, TLVs", testnet.HeaderV2(0x21, 0x11, join(four, []byte{kindAuthority, 0, 1, 'a', 0xe0, 0, 0})...), Greeting{Version: 2, Family: TCP, TLVs: []byte{kindAuthority, 0, 1, 'a', 0xe0, 0, 0}}, false},
	{"2, checksum", summedHeader(0x21, 0x11, four...), Greeting{Version: 2, Family: TCP}, false},
	{"2, the longest", testnet.HeaderV2(0x21, 0x11, join(four, []byte{0xe0, 0xff, 0xf0}, make([]byte, 0xfff0))...), Greeting{Version: 2, Family: TCP}, false},
	{"2, UNSPEC", testnet.HeaderV2(0x21, 0), Greeting{Version: 2}, true},
	{"2, UNSPEC and TLVs", testnet.HeaderV2(0x21, 0, kindUniqueID, 0, 1, 'x'), Greeting{Version: 2, TLVs: []byte{kindUniqueID, 0, 1, 'x'}}, true},
	{"2, UNSPEC and whatever", testnet.HeaderV2(0x21, 0, 1, 2, 3, 4, 5), Greeting{Version: 2}, true},
	{"2, LOCAL", testnet.HeaderV2(0x20, 0), Greeting{Version: 2, Local: true}, false},
	{"2, LOCAL with addresses", testnet.HeaderV2(0x20, 0x11, four...), Greeting{Version: 2, Local: true}, true},
	{"2, LOCAL with less", testnet.HeaderV2(0x20, 0x11, 1, 2), Greeting{Version: 2, Local: true}, true},
}

func TestWellFormedHeadersAreTakenExactly(t *testing.T) {
	proxyproto.MaxV2HeaderSize = 65535
	for _, c := range wellFormed {
		t.Run(c.name, func(t *testing.T) {
			behind := []byte("PROXY and what else a client says")
			var g Greeting
			if v, need := g.Parse(join(c.b, behind)); v != Found || need != 0 || g.Size != len(c.b) {
				t.Fatalf("got verdict %d, need %d, size %d of %d", v, need, g.Size, len(c.b))
			}
			if g.Version != c.want.Version || g.Family != c.want.Family || g.Local != c.want.Local || c.want.TLVs != nil && !bytes.Equal(g.TLVs, c.want.TLVs) {
				t.Errorf("got %+v, want %+v", g, c.want)
			}
			if !c.odd {
				asTheLibrary(t, c.b, &g)
			}
			// Divided at any byte: more, and no more than there will be.
			step := 1 + len(c.b)/3000
			for n := 0; n < len(c.b); n += step {
				if v, need := g.Parse(c.b[:n]); v != More || need <= n || need > len(c.b) {
					t.Fatalf("of %d bytes of %d: got verdict %d, need %d", n, len(c.b), v, need)
				}
			}
		})
	}
}

// asTheLibrary holds what was read to what go-proxyproto reads.
func asTheLibrary(t *testing.T, b []byte, g *Greeting) {
	t.Helper()
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), 1<<17))
	if err != nil {
		t.Fatalf("the library says %v", err)
	}
	if h.Version != g.Version {
		t.Errorf("got version %d, the library %d", g.Version, h.Version)
	}
	if g.Local || h.Command == proxyproto.LOCAL {
		return
	}
	from, to, ok := h.TCPAddrs()
	if ok != (g.Family == TCP) {
		t.Fatalf("got family %d, the library %v", g.Family, h.TransportProtocol)
	}
	if ok {
		for _, pair := range []struct {
			theirs *net.TCPAddr
			ours   netip.AddrPort
		}{{from, g.Source}, {to, g.Destination}} {
			p := pair.theirs.AddrPort()
			if netip.AddrPortFrom(p.Addr().Unmap(), p.Port()) != pair.ours {
				t.Errorf("got %v, the library %v", pair.ours, pair.theirs)
			}
		}
	}
	if tlvs, err := h.TLVs(); err != nil || len(g.TLVs) > 0 && len(tlvs) == 0 {
		t.Errorf("the library has TLVs %v, %v", tlvs, err)
	}
}

func TestMalformedHeadersAreRefused(t *testing.T) {
	for name, b := range testnet.MalformedHeaders() {
		var g Greeting
		if v, need := g.Parse(b); v != Malformed || need != 0 || g.Size != 0 {
			t.Errorf("%s: got verdict %d, need %d, %+v", name, v, need, g)
		}
	}
}

func TestWhatIsNoHeaderIsLeftAlone(t *testing.T) {
	for _, s := range []string{"GET / HTTP/1.1\r\n", "\x16\x03\x01", "P ", "PROXYY", "PROXY\t", "proxy TCP4", "\r\n\r\n\x00\r\nQUIT\r", "\r\n\r\nGET", "\n"} {
		var g Greeting
		if v, _ := g.Parse([]byte(s)); v != Absent {
			t.Errorf("%q: got verdict %d", s, v)
		}
	}
}

func TestEveryByteOfASummedHeaderCounts(t *testing.T) {
	good := summedHeader(0x21, 0x11, join(four, []byte{0xe0, 0, 2, 'a', 'b'})...)
	var g Greeting
	for at := 16; at < len(good); at++ {
		b := bytes.Clone(good)
		b[at] ^= 0x10
		if v, _ := g.Parse(b); v == Found && !(at >= 28 && at < 31) && at != len(b)-7 {
			t.Errorf("byte %d may be another", at)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	received := join([]byte{kindNoop, 0, 1, 0, kindCRC, 0, 4, 9, 9, 9, 9}, []byte{0xea, 0, 2, 'h', 'i', kindAuthority, 0, 1, 'r'})
	for name, g := range map[string]Greeting{
		"IPv4":  {Family: TCP, Source: at("192.0.2.7:4660"), Destination: at("198.51.100.9:443")},
		"IPv6":  {Family: TCP, Source: at("[2001:db8::7]:4660"), Destination: at("[2001:db8::9]:443")},
		"mixed": {Family: TCP, Source: at("192.0.2.7:4660"), Destination: at("[2001:db8::9]:443")},
		"unix":  {Family: Unix, Paths: paths},
		"none":  {},
	} {
		t.Run(name, func(t *testing.T) {
			for _, x := range []Extra{{}, {Authority: []byte("a.example"), ALPN: []byte("h2"), UniqueID: []byte("0123456789abcdef")},
				{Received: received, Authority: []byte("a.example"), UniqueID: []byte("id")}} {
				b := g.Append([]byte("before"), &x)[6:]
				var back Greeting
				if v, _ := back.Parse(b); v != Found || back.Size != len(b) || back.Family != g.Family || back.Source != g.Source || back.Destination != g.Destination || !bytes.Equal(back.Paths, g.Paths) {
					t.Fatalf("%+v came back as %+v", g, back)
				}
				asTheLibrary(t, b, &back)
				if g.Family == None {
					if !back.Local {
						t.Errorf("%+v came back as %+v", g, back)
					}
					continue
				}
				if _, ok := check(back.TLVs); !ok || !has(back.TLVs, kindCRC) || has(back.TLVs, kindNoop) {
					t.Errorf("TLVs %x", back.TLVs)
				}
				if x.Received != nil && (bytes.Count(b, []byte("a.example")) != 0 || !has(back.TLVs, 0xea) || !has(back.TLVs, kindUniqueID)) {
					t.Errorf("TLVs %x", back.TLVs)
				}
			}
			line := g.AppendLine(nil)
			var back Greeting
			if v, _ := back.Parse(line); v != Found || back.Size != len(line) || g.Family == TCP && (back.Source != g.Source || back.Destination != g.Destination) {
				t.Fatalf("%q came back as %+v", line, back)
			}
			asTheLibrary(t, line, &back)
		})
	}
}

func TestKeepTakesWholeTLVs(t *testing.T) {
	tlvs := []byte{kindCRC, 0, 4, 1, 2, 3, 4, 0xe1, 0, 4, 'l', 'o', 'n', 'g', 0xe2, 0, 1, 's'}
	room := make([]byte, 6)
	if n, all := Keep(room, tlvs); n != 4 || all || room[0] != 0xe2 {
		t.Errorf("kept %x, all %v", room[:n], all)
	}
	if n, all := Keep(make([]byte, 11), tlvs); n != 11 || !all {
		t.Errorf("kept %d bytes, all %v", n, all)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	g := Greeting{Family: TCP, Source: netip.MustParseAddrPort("192.0.2.7:1"), Destination: netip.MustParseAddrPort("192.0.2.8:2")}
	x := Extra{Authority: []byte("a.example"), UniqueID: []byte("id")}
	room := make([]byte, 0, 512)
	b, line := g.Append(nil, &x), g.AppendLine(nil)
	var back Greeting
	if n := testing.AllocsPerRun(100, func() {
		g.Append(room, &x)
		g.AppendLine(room)
		back.Parse(b)
		back.Parse(line)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse holds whatever comes to the promises of Parse, and to the library
// where it has found something.
func FuzzParse(f *testing.F) {
	for _, c := range wellFormed {
		if len(c.b) < 1000 {
			f.Add(c.b)
		}
	}
	for _, b := range testnet.MalformedHeaders() {
		f.Add(b)
	}
	proxyproto.MaxV2HeaderSize = 65535
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Greeting
		v, need := g.Parse(b)
		if v == More && (need <= len(b) || need > Longest) || v != More && need != 0 || v == Found && (g.Size > len(b) || g.Size == 0) {
			t.Fatalf("verdict %d of %d bytes, need %d, size %d", v, len(b), need, g.Size)
		}
		if v != Found {
			return
		}
		if g.Family == TCP {
			asTheLibrary(t, b[:g.Size], &g)
		}
		room := make([]byte, len(g.TLVs)/2)
		n, all := Keep(room, g.TLVs)
		if _, ok := check(room[:n]); !ok || all && n+4 < len(g.TLVs) && !has(g.TLVs, kindCRC) && !has(g.TLVs, kindNoop) {
			t.Fatalf("kept %x of %x, all %v", room[:n], g.TLVs, all)
		}
		var part Greeting
		for n := range g.Size {
			if v, need := part.Parse(b[:n]); v != More || need > g.Size {
				t.Fatalf("verdict %d of %d bytes of %d, need %d", v, n, g.Size, need)
			}
		}
		out := g.Append(nil, &Extra{Received: g.TLVs, UniqueID: []byte("x")})
		var back Greeting
		if len(out) <= Longest {
			if v, _ := back.Parse(out); v != Found || back.Source != g.Source || back.Family != g.Family {
				t.Fatalf("%q came back as %+v", b[:g.Size], back)
			}
		}
	})
}
