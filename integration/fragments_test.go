package integration

import (
	"bytes"
	"io"
	"os"
	"slices"
	"testing"

	"sluice/internal/testnet"
)

// TestEveryDivisionOfRealHellos: what real clients say first, in two segments
// divided at every byte, reaches the backend of its name as it was. sluice has seen
// the first segment before the second is sent. With SLUICE_TEST_FULL it is also
// divided into records of every size; and without, at every seventh byte of what
// is long.
func TestEveryDivisionOfRealHellos(t *testing.T) {
	p := Sluice(t, "[runtime]\nworkers = 1\n"+edge(`
pool = "other"
inspect_timeout = "2m"
[[listeners.web.routes]]
sni = ["*.example.com"]
pool = "named"
`, poolTo("named", testnet.Start(t, "tcp4", testnet.Greet("named\n")).Address, ""),
		poolTo("other", testnet.Start(t, "tcp4", testnet.Greet("other\n")).Address, "")))
	d := divided(p.Front("web"))
	for _, hello := range testnet.ClientHellos(t) {
		t.Run(hello.Client, func(t *testing.T) {
			want := "other\n"
			if hello.Name != "" {
				want = "named\n"
			}
			step := 1
			if len(hello.Bytes) > 1000 && os.Getenv(fullVar) == "" {
				step = 7
			}
			n := d.everywhere(t, hello.Bytes, want, step)
			d.byByte(t, hello.Bytes, want)
			if os.Getenv(fullVar) != "" {
				for size := 1; size < len(hello.Bytes); size += 1 + size/3 {
					n += d.everywhere(t, testnet.Records(testnet.HandshakeOf(hello.Bytes), size), want, 1)
				}
			}
			t.Logf("%d bytes, divided in %d ways", len(hello.Bytes), n)
		})
	}
	t.Run("64 KiB", func(t *testing.T) {
		long := testnet.LongHello(t)
		n := d.everywhere(t, long, "named\n", len(long)/40)
		d.byByte(t, long, "named\n")
		t.Logf("%d bytes, divided in %d ways", len(long), n)
	})
}

// TestEveryDivisionOfPROXYHeaders is the same for headers with payload behind them.
func TestEveryDivisionOfPROXYHeaders(t *testing.T) {
	backend := testnet.Start(t, "tcp4", testnet.Greet("here\n")).Address
	p := Sluice(t, Setup{Backends: []string{backend}, Runtime: "workers = 1",
		Listener: "inspect_timeout = \"2m\"\nproxy_protocol = \"required\"\nproxy_protocol_from = [\"127.0.0.0/8\"]"}.TOML())
	d := divided(p.Front("web"))
	payload := []byte("PROXY and what a client says")
	for name, header := range map[string][]byte{
		"v1":   []byte("PROXY TCP6 2001:db8::7 2001:db8::9 4660 443\r\n"),
		"v2":   testnet.HeaderV2(0x21, 0x11, 192, 0, 2, 7, 198, 51, 100, 9, 0x12, 0x34, 0x01, 0xbb, 0xe0, 0, 2, 'h', 'i'),
		"unix": testnet.HeaderV2(0x21, 0x31, make([]byte, 216)...),
	} {
		t.Run(name, func(t *testing.T) {
			n := d.sends(t, slices.Concat(header, payload), payload, "here\n", 1)
			t.Logf("%d bytes, divided in %d ways", len(header), n)
		})
	}
}

// divided is an address where first bytes are sent in parts.
type divided string

// everywhere sends a ClientHello in two, divided at one byte of step, and returns in
// how many ways.
func (d divided) everywhere(t *testing.T, hello []byte, want string, step int) (ways int) {
	t.Helper()
	return d.sends(t, hello, hello, want, step)
}

// sends is everywhere for what need not all arrive.
func (d divided) sends(t *testing.T, hello, arrives []byte, want string, step int) (ways int) {
	t.Helper()
	var cuts []int
	for at := 1; at < len(hello); at += step {
		cuts = append(cuts, at)
	}
	for some := range slices.Chunk(cuts, 100) {
		conns := make([]testnet.Conn, len(some))
		for i, at := range some {
			conns[i] = d.says(t, hello[:at])
		}
		// The one worker takes events in their order: when the last to come has
		// been served, it has looked at all before.
		d.hears(t, d.says(t, hello), nil, arrives, want)
		for i, at := range some {
			if !d.hears(t, conns[i], hello[at:], arrives, want) {
				t.Fatalf("divided behind %d of %d bytes", at, len(hello))
			}
		}
	}
	return len(cuts)
}

// byByte sends each byte in a segment of its own.
func (d divided) byByte(t *testing.T, hello []byte, want string) {
	t.Helper()
	c := d.says(t, nil)
	for i := range hello {
		_, err := c.Write(hello[i : i+1])
		testnet.Must(t, "write a byte", err)
	}
	if !d.hears(t, c, nil, hello, want) {
		t.Fatalf("divided at each of %d bytes", len(hello))
	}
}

func (d divided) says(t *testing.T, first []byte) testnet.Conn {
	t.Helper()
	c, err := testnet.TryDial(string(d), patience)
	testnet.Must(t, "connect", err)
	_, err = c.Write(first)
	testnet.Must(t, "write the first part", err)
	return c
}

// hears says the rest, and reports whether what comes back is the name of the
// backend and all that was said.
func (d divided) hears(t *testing.T, c testnet.Conn, rest, all []byte, want string) bool {
	t.Helper()
	defer c.Close()
	_, err := c.Write(rest)
	testnet.Must(t, "write the rest", err)
	c.CloseWrite()
	got, err := io.ReadAll(c)
	name, echoed, _ := bytes.Cut(got, []byte("\n"))
	if err != nil || string(name)+"\n" != want || !bytes.Equal(echoed, all) {
		t.Errorf("got %q and %d bytes, %v; want %q and %d", name, len(echoed), err, want, len(all))
		return false
	}
	return true
}
