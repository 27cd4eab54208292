package hello

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

func found(t *testing.T, b []byte, name, alpn string) {
	t.Helper()
	var h Hello
	if v, need := h.Parse(b); v != Found || need != 0 || string(h.Name()) != name || string(h.ALPN()) != alpn {
		t.Fatalf("got verdict %d, need %d, name %q, alpn %q; want name %q, alpn %q", v, need, h.Name(), h.ALPN(), name, alpn)
	}
}

// made is a ClientHello with extensions.
func made(extensions ...[]byte) []byte {
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 0x01, 1, 0)
	all := bytes.Join(extensions, nil)
	body = append(body, byte(len(all)>>8), byte(len(all)))
	body = append(body, all...)
	return append([]byte{clientHello, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func extension(kind int, body ...byte) []byte {
	return append([]byte{byte(kind >> 8), byte(kind), byte(len(body) >> 8), byte(len(body))}, body...)
}

func sni(name string) []byte {
	n := len(name)
	return extension(0, append([]byte{byte((n + 3) >> 8), byte(n + 3), 0, byte(n >> 8), byte(n)}, name...)...)
}

func alpn(protocols ...string) []byte {
	var list []byte
	for _, p := range protocols {
		list = append(append(list, byte(len(p))), p...)
	}
	return extension(16, append([]byte{byte(len(list) >> 8), byte(len(list))}, list...)...)
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ sent, name string }{
		{"a.example.com", "a.example.com"}, {"A.EXAMPLE.com.", "a.example.com"}, {"localhost", "localhost"},
		{"_dmarc.x-1.org", "_dmarc.x-1.org"}, {"1.2.3.4.example", "1.2.3.4.example"}, {"3com.com", "3com.com"}, {"xn--d1.xn--p1ai", "xn--d1.xn--p1ai"},
		{"1.2.3.4", ""}, {"1.2.3.4.", ""}, {"4711", ""}, {"::1", ""}, {"[::1]", ""}, {"", ""}, {".", ""}, {".com", ""}, {"a..b", ""}, {"a b", ""},
		{"a\x00b", ""}, {"a\nb", ""}, {"*.example.com", ""}, {"münchen.de", ""}, {"a.b..", ""},
		{strings.Repeat("a", 255), strings.Repeat("a", 255)}, {strings.Repeat("a", 256), ""},
	} {
		found(t, testnet.Records(made(sni(c.sent)), 1<<14), c.name, "")
	}
}

func TestALPNIsKeptAsFarAsItFits(t *testing.T) {
	long := strings.Repeat("x", 125)
	found(t, testnet.Records(made(alpn("h2", long, "http/1.1", "acme")), 1<<14), "", "\x02h2\x08http/1.1\x04acme")
	if !Offers([]byte("\x02h2\x08http/1.1"), "http/1.1") || Offers([]byte("\x02h2\x08http/1.1"), "http/1") || Offers([]byte("\x05h2"), "h2") {
		t.Error("Offers is wrong")
	}
}

func TestAnOuterNameIsTheName(t *testing.T) {
	ech := extension(0xfe0d, make([]byte, 300)...)
	found(t, testnet.Records(made(ech, sni("outer.example")), 1<<14), "outer.example", "")
}

func TestWhatIsNoClientHello(t *testing.T) {
	good := testnet.Records(made(sni("a.example"), alpn("h2")), 1<<14)
	patched := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	for name, b := range map[string][]byte{
		"HTTP":                      []byte("GET / HTTP/1.1\r\n"),
		"SSH":                       []byte("SSH-2.0-x\r\n"),
		"another record":            patched(0, 23),
		"another version":           patched(1, 2),
		"another message":           patched(5, 2),
		"an empty record":           patched(3, 0, 0),
		"a record that is too long": patched(3, 0xff, 0xff),
		"SSL 2":                     {0x80, 0x2e, 1, 3, 1},
		"a session beyond the end":  patched(5+4+34, 255),
		"odd ciphers":               patched(5+4+34+1, 0, 3),
		"extensions too long":       patched(5+4+34+7, 0xff, 0xff),
		"extensions too short":      patched(5+4+34+7, 0, 1),
		"one that is too long":      testnet.Records(made([]byte{0, 0, 0, 9, 1}), 99),
		"a name list that lies":     testnet.Records(made(extension(0, 0, 9, 0, 0, 1, 'a')), 99),
		"a name that lies":          testnet.Records(made(extension(0, 0, 4, 0, 0, 9, 'a')), 99),
		"a protocol that lies":      testnet.Records(made(extension(16, 0, 3, 9, 'h', '2')), 99),
		"an empty protocol":         testnet.Records(made(extension(16, 0, 1, 0)), 99),
		"half an extension":         testnet.Records(made([]byte{0, 0, 0}), 99),
		"a message without a body":  testnet.Records([]byte{1, 0, 0, 0}, 99),
	} {
		var h Hello
		if v, need := h.Parse(b); v != NotTLS || need != 0 || len(h.Name())+len(h.ALPN()) != 0 {
			t.Errorf("%s: got verdict %d, need %d, %q %q", name, v, need, h.Name(), h.ALPN())
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := testnet.Records(made(sni("a.example"), alpn("h2")), 7)
	var h Hello
	if n := testing.AllocsPerRun(100, func() { h.Parse(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse holds whatever comes to the promises of Parse.
func FuzzParse(f *testing.F) {
	for _, size := range []int{1, 20, 1 << 14} {
		f.Add(testnet.Records(made(sni("a.example"), alpn("h2", "http/1.1")), size))
	}
	f.Add(testnet.HelloOf(f, &tls.Config{ServerName: "a.example"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, part Hello
		v, need := whole.Parse(b)
		if v == More && need <= len(b) || v != More && need != 0 || need > Most {
			t.Fatalf("verdict %d of %d bytes, need %d", v, len(b), need)
		}
		for rest := whole.ALPN(); len(rest) > 0; rest = rest[1+rest[0]:] {
			if int(rest[0]) >= len(rest) {
				t.Fatal("a list of protocols that lies")
			}
		}
		// What is understood of a part stays so when more comes.
		for n := 0; n < len(b); n += 1 + len(b)/50 {
			p, need := part.Parse(b[:n])
			if p == More && v != More && n < need && need <= len(b) {
				continue
			}
			if p != More && (p != v || !bytes.Equal(part.Name(), whole.Name())) {
				t.Fatalf("verdict %d of %d bytes, %d of %d", p, n, v, len(b))
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, m := range map[string][]byte{"usual": made(sni("a.example"), alpn("h2"), extension(21, make([]byte, 400)...)),
		"post-quantum": made(extension(51, make([]byte, 1200)...), sni("a.example"), alpn("h2"))} {
		b.Run(name, func(b *testing.B) {
			var h Hello
			r := testnet.Records(m, 1<<14)
			b.SetBytes(int64(len(r)))
			for b.Loop() {
				h.Parse(r)
			}
		})
	}
}
