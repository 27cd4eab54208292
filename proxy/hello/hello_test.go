package hello

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// said is what a client sends when it is connected to.
func said(t testing.TB, begin func(address string)) []byte {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		begin(l.Addr().String())
	}()
	c, err := l.Accept()
	testnet.Must(t, "accept", err)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	var h Hello
	var got []byte
	for {
		b := make([]byte, 64<<10)
		n, err := c.Read(b)
		got = append(got, b[:n]...)
		if v, _ := h.Parse(got); v != More {
			break
		}
		testnet.Must(t, "read a ClientHello", err)
	}
	c.Close()
	<-done
	return got
}

func ofGo(t testing.TB, c *tls.Config) []byte {
	return said(t, func(address string) {
		if conn, err := net.Dial("tcp", address); err == nil {
			tls.Client(conn, c).Handshake()
			conn.Close()
		}
	})
}

func ofProgram(t *testing.T, args ...string) []byte {
	bin := testnet.Need(t, args[0])[0]
	return said(t, func(address string) {
		_, port, _ := net.SplitHostPort(address)
		for i := range args {
			args[i] = strings.NewReplacer("ADDRESS", address, "PORT", port).Replace(args[i])
		}
		exec.Command(bin, args[1:]...).Run() // it fails: nobody answers
	})
}

// real are ClientHellos of the clients that people have.
func real(t *testing.T) map[string]struct {
	bytes      []byte
	name, alpn string
} {
	type row = struct {
		bytes      []byte
		name, alpn string
	}
	return map[string]row{
		"Go, post-quantum": {ofGo(t, &tls.Config{ServerName: "Api.Example.COM", NextProtos: []string{"h2", "http/1.1"},
			CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}), "api.example.com", "\x02h2\x08http/1.1"},
		"Go, TLS 1.2":  {ofGo(t, &tls.Config{ServerName: "old.example.com", MaxVersion: tls.VersionTLS12}), "old.example.com", ""},
		"Go, no name":  {ofGo(t, &tls.Config{InsecureSkipVerify: true}), "", ""},
		"Go, address":  {ofGo(t, &tls.Config{ServerName: "192.0.2.7"}), "", ""},
		"curl":         {ofProgram(t, "curl", "-sk", "--connect-to", "api.example.com:443:ADDRESS", "https://api.example.com/"), "api.example.com", "\x02h2\x08http/1.1"},
		"openssl":      {ofProgram(t, "openssl", "s_client", "-connect", "ADDRESS", "-servername", "api.example.com", "-alpn", "h2"), "api.example.com", "\x02h2"},
		"openssl, dot": {ofProgram(t, "openssl", "s_client", "-connect", "ADDRESS", "-servername", "api.example.com."), "api.example.com", ""},
	}
}

func TestRealClientsAreUnderstood(t *testing.T) {
	for name, c := range real(t) {
		t.Run(name, func(t *testing.T) {
			t.Logf("%d bytes", len(c.bytes))
			if name == "Go, post-quantum" && len(c.bytes) < 1300 {
				t.Errorf("it has no large key share")
			}
			found(t, c.bytes, c.name, c.alpn)
			inPieces(t, c.bytes)
			inRecords(t, c.bytes, c.name, c.alpn)
		})
	}
}

func found(t *testing.T, b []byte, name, alpn string) {
	t.Helper()
	var h Hello
	if v, need := h.Parse(b); v != Found || need != 0 || string(h.Name()) != name || string(h.ALPN()) != alpn {
		t.Fatalf("got verdict %d, need %d, name %q, alpn %q; want name %q, alpn %q", v, need, h.Name(), h.ALPN(), name, alpn)
	}
}

// inPieces holds every beginning of a ClientHello to asking for more, and for no
// more than there will be.
func inPieces(t *testing.T, b []byte) {
	t.Helper()
	var h Hello
	whole := length(b)
	for n := range whole {
		v, need := h.Parse(b[:n])
		if v != More || need <= n || need > whole {
			t.Fatalf("of %d bytes of %d: got verdict %d, need %d", n, whole, v, need)
		}
		if len(h.Name())+len(h.ALPN()) > 0 {
			t.Fatalf("of %d bytes of %d there is a name already", n, whole)
		}
	}
	// Who obeys need has soon seen it all.
	n, looks := 0, 0
	for v := More; v == More; looks++ {
		var need int
		v, need = h.Parse(b[:min(n, whole)])
		n = need
	}
	if looks > 100 {
		t.Errorf("looked %d times", looks)
	}
}

// length is up to where the records that have the ClientHello go.
func length(b []byte) int {
	left := 4 + int(binary.BigEndian.Uint32(append([]byte{0}, message(b)[1:4]...)))
	n := 0
	for left > 0 {
		size := int(binary.BigEndian.Uint16(b[n+3:]))
		left -= size
		n += 5 + size
	}
	return n + min(left, 0)
}

// message is the handshake message of records.
func message(b []byte) (m []byte) {
	for len(b) >= 5 {
		size := int(binary.BigEndian.Uint16(b[3:]))
		m = append(m, b[5:5+size]...)
		b = b[5+size:]
	}
	return m
}

// records divides a message into records of a size.
func records(m []byte, size int) (b []byte) {
	for len(m) > 0 {
		n := min(size, len(m))
		b = append(b, handshake, 3, 1, byte(n>>8), byte(n))
		b = append(b, m[:n]...)
		m = m[n:]
	}
	return b
}

func inRecords(t *testing.T, b []byte, name, alpn string) {
	t.Helper()
	m := message(b)
	for size := 1; size <= len(m); size++ {
		again := records(m, size)
		found(t, again, name, alpn)
		if size < 4 || size%101 == 0 {
			inPieces(t, again)
		}
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
		found(t, records(made(sni(c.sent)), 1<<14), c.name, "")
	}
}

func TestALPNIsKeptAsFarAsItFits(t *testing.T) {
	long := strings.Repeat("x", 125)
	found(t, records(made(alpn("h2", long, "http/1.1", "acme")), 1<<14), "", "\x02h2\x08http/1.1\x04acme")
	if !Offers([]byte("\x02h2\x08http/1.1"), "http/1.1") || Offers([]byte("\x02h2\x08http/1.1"), "http/1") || Offers([]byte("\x05h2"), "h2") {
		t.Error("Offers is wrong")
	}
}

func TestAnOuterNameIsTheName(t *testing.T) {
	ech := extension(0xfe0d, make([]byte, 300)...)
	found(t, records(made(ech, sni("outer.example")), 1<<14), "outer.example", "")
}

func TestUpTo64KiB(t *testing.T) {
	pad := func(n int) []byte { return extension(21, make([]byte, n)...) }
	found(t, records(made(pad(60_000), sni("far.example")), 1<<14), "far.example", "")
	var h Hello
	// Small records make it longer than is looked at, though the message is not.
	if v, _ := h.Parse(records(made(pad(60_000), sni("far.example")), 20)); v != NotTLS {
		t.Errorf("got verdict %d for more than 64 KiB", v)
	}
	if v, _ := h.Parse([]byte{22, 3, 1, 0x40, 0, 1, 1, 0, 0}); v != NotTLS {
		t.Errorf("got verdict %d for a message that says that it is more than 64 KiB", v)
	}
}

func TestWhatIsNoClientHello(t *testing.T) {
	good := records(made(sni("a.example"), alpn("h2")), 1<<14)
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
		"one that is too long":      records(made([]byte{0, 0, 0, 9, 1}), 99),
		"a name list that lies":     records(made(extension(0, 0, 9, 0, 0, 1, 'a')), 99),
		"a name that lies":          records(made(extension(0, 0, 4, 0, 0, 9, 'a')), 99),
		"a protocol that lies":      records(made(extension(16, 0, 3, 9, 'h', '2')), 99),
		"an empty protocol":         records(made(extension(16, 0, 1, 0)), 99),
		"half an extension":         records(made([]byte{0, 0, 0}), 99),
		"a message without a body":  records([]byte{1, 0, 0, 0}, 99),
	} {
		var h Hello
		if v, need := h.Parse(b); v != NotTLS || need != 0 || len(h.Name())+len(h.ALPN()) != 0 {
			t.Errorf("%s: got verdict %d, need %d, %q %q", name, v, need, h.Name(), h.ALPN())
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := records(made(sni("a.example"), alpn("h2")), 7)
	var h Hello
	if n := testing.AllocsPerRun(100, func() { h.Parse(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse holds whatever comes to the promises of Parse.
func FuzzParse(f *testing.F) {
	for _, size := range []int{1, 20, 1 << 14} {
		f.Add(records(made(sni("a.example"), alpn("h2", "http/1.1")), size))
	}
	f.Add(ofGo(f, &tls.Config{ServerName: "a.example"}))
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
			r := records(m, 1<<14)
			b.SetBytes(int64(len(r)))
			for b.Loop() {
				h.Parse(r)
			}
		})
	}
}
