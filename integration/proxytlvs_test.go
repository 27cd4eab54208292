package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"

	"sluice/internal/testnet"
)

// believing is a listener that demands a PROXY header and looks at the ClientHello
// behind it, before a pool that is told.
func believing(backend string) string {
	return edge(`
proxy_protocol = "required"
proxy_protocol_from = ["127.0.0.0/8"]
[[listeners.web.routes]]
sni = ["*"]
pool = "told"
`, poolTo("told", backend, `send_proxy = "v2"`))
}

// TestHAProxyIsToldNameAndID: what HAProxy has read of a header of sluice's.
func TestHAProxyIsToldNameAndID(t *testing.T) {
	curl := testnet.Need(t, "curl", "haproxy")[0]
	behind := testnet.FreeAddress(t, "tcp4")
	haproxy(t, fmt.Sprintf(`
frontend told
	mode http
	bind %s accept-proxy ssl crt %s
	http-request return status 200 content-type text/plain lf-string "%%[fc_pp_authority] %%[fc_pp_unique_id]\n"
`, behind, certificate(t, "api.example.com"))).AwaitAnswer(behind)
	p := Sluice(t, strings.Replace(believing(behind), "required", "optional", 1))
	seen := map[string]bool{}
	for range 3 {
		got := Output(t, curl, "-sSk", "--connect-to", "api.example.com:443:"+p.Front("web"), "https://api.example.com/")
		if !regexp.MustCompile(`^api\.example\.com [0-9A-Za-z]{32}\n$`).MatchString(got) || seen[got] {
			t.Errorf("HAProxy was told %q, and before %v", got, seen)
		}
		seen[got] = true
	}
}

// TestHAProxysOwnIDIsPassedOn: from HAProxy, through sluice, to HAProxy.
func TestHAProxysOwnIDIsPassedOn(t *testing.T) {
	testnet.Need(t, "haproxy")
	front, behind := testnet.FreeAddress(t, "tcp4"), testnet.FreeAddress(t, "tcp4")
	p := Sluice(t, Setup{Backends: []string{behind}, Pool: `send_proxy = "v2"`,
		Listener: "proxy_protocol = \"required\"\nproxy_protocol_from = [\"127.0.0.0/8\"]"}.TOML())
	run := haproxy(t, fmt.Sprintf(`
frontend first
	mode tcp
	bind %s
	unique-id-format %%[str(of-the-first)]
	default_backend second
backend second
	mode tcp
	server s %s send-proxy-v2 proxy-v2-options unique-id,crc32c
frontend last
	mode http
	bind %s accept-proxy
	http-request return status 200 content-type text/plain lf-string "%%[fc_pp_unique_id] %%[src]:%%[src_port]\n"
`, front, p.Front("web"), behind))
	run.AwaitAnswer(front)
	run.AwaitAnswer(behind)
	if got, client := asked(t, front); got != "of-the-first "+client {
		t.Errorf("HAProxy was told %q, the client is %s", got, client)
	}
}

// header is one as go-proxyproto reads it, and its bytes.
type header struct {
	tlvs  map[proxyproto.PP2Type]string
	times int // of the TLVs, those that stand there for the first time
	bytes []byte
	err   error
}

// readHeader takes a header off a connection.
func readHeader(c io.Reader) (h header) {
	var raw bytes.Buffer
	b := bufio.NewReaderSize(io.TeeReader(c, &raw), 1<<16)
	read, err := proxyproto.Read(b)
	if err != nil {
		return header{err: err}
	}
	tlvs, err := read.TLVs()
	h = header{map[proxyproto.PP2Type]string{}, 0, raw.Bytes(), err}
	h.bytes = h.bytes[:16+int(binary.BigEndian.Uint16(h.bytes[14:]))]
	for _, one := range tlvs {
		h.tlvs[one.Type] = string(one.Value)
	}
	h.times = len(tlvs)
	return h
}

// summed reports whether the checksum of a header, which stands at its end, is right.
func (h header) summed() bool {
	at := len(h.bytes) - 4
	zeroed := append(bytes.Clone(h.bytes[:at]), 0, 0, 0, 0)
	return crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli)) == binary.BigEndian.Uint32(h.bytes[at:])
}

// TestTLVsAsALibraryReadsThem: those received, the name, the protocol, an ID and the
// checksum, each once; what was received goes before what sluice has seen itself.
func TestTLVsAsALibraryReadsThem(t *testing.T) {
	headers := make(chan header, 1)
	backend := testnet.Start(t, "tcp4", func(_ context.Context, c testnet.Conn) { headers <- readHeader(c) })
	p := Sluice(t, believing(backend.Address))
	hello := testnet.HelloOf(t, &tls.Config{ServerName: "seen.example.com", NextProtos: []string{"h2"}})
	four := "\xc0\x00\x02\x07\xc6\x33\x64\x09\x12\x34\x01\xbb"
	for _, c := range []struct{ received, name, own string }{
		{"", "seen.example.com", ""},
		{"\xea\x00\x02hi", "seen.example.com", "hi"},
		{"\xea\x00\x02hi\x02\x00\x0ctold.example", "told.example", "hi"},
	} {
		conn := testnet.Dial(t, p.Front("web"))
		_, err := conn.Write(append(testnet.HeaderV2(0x21, 0x11, []byte(four+c.received)...), hello...))
		testnet.Must(t, "write", err)
		h := <-headers
		if h.err != nil {
			t.Fatalf("with %q received: %v", c.received, h.err)
		}
		const own = proxyproto.PP2Type(0xea)
		if h.tlvs[proxyproto.PP2_TYPE_AUTHORITY] != c.name || h.tlvs[proxyproto.PP2_TYPE_ALPN] != "h2" ||
			len(h.tlvs[proxyproto.PP2_TYPE_UNIQUE_ID]) != 32 || h.tlvs[own] != c.own || h.times != len(h.tlvs) {
			t.Errorf("with %q received: TLVs %q", c.received, h.tlvs)
		}
		if !h.summed() {
			t.Errorf("with %q received: the checksum is wrong", c.received)
		}
		conn.Close()
	}
}
