package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// slowly gives clients the time that they may need on a busy machine.
func slowly(l *Listener) { l.InspectTimeout = time.Minute }

// TestBytesOneByOneDoNotWakeTheWorker counts its turns while a ClientHello and a
// PROXY header come in segments of a byte: it is woken by what is worth looking at.
func TestBytesOneByOneDoNotWakeTheWorker(t *testing.T) {
	hello := helloOf(t, "a.example")
	header := headerOf("192.0.2.7:4711", "198.51.100.1:443", 2, append([]byte{0xea, 4, 0}, make([]byte, 1024)...)...)
	for name, c := range map[string]struct {
		said   []byte
		change func(*Listener)
		most   uint64 // turns
	}{
		"ClientHello":           {hello, slowly, 100},
		"ClientHello of 64 KiB": {testnet.LongHello(t), slowly, 10_000},
		"PROXY header, and Hello": {append(header, hello...), func(l *Listener) {
			believing(ProxyRequired, "127.0.0.0/8")(l, nil)
			slowly(l)
		}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			p := newRouted(t, c.change, []Route{{SNI: []string{"a.example", "*.example.com"}, Pool: poolOf("a", saying(t, "a"))}}, Nowhere())
			conn := p.dial()
			conn.SetDeadline(time.Now().Add(time.Minute))
			for i := range c.said {
				if _, err := conn.Write(c.said[i : i+1]); err != nil {
					t.Fatal(err)
				}
				if i < 300 { // slowly, so that each could wake a worker
					time.Sleep(50 * time.Microsecond)
				}
			}
			got := make([]byte, 2)
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, []byte("a\n")) {
				t.Fatalf("got %q, %v", got, err)
			}
			// Of very many small segments the kernel tells before they are enough,
			// since each takes more of its buffer than a byte.
			turns := p.Turns()
			t.Logf("%d turns for %d bytes", turns, len(c.said))
			if turns > c.most {
				t.Errorf("more than %d", c.most)
			}
			conn.SetLinger(0)
		})
	}
}

// TestHalfAHelloInSmallSegmentsDoesNotSpin: when segments of a byte have filled the
// kernel's buffer, it tells of less than what was asked for. That is looked at once.
func TestHalfAHelloInSmallSegmentsDoesNotSpin(t *testing.T) {
	hello := helloOf(t, "a.example")
	p := newRouted(t, slowly, []Route{{SNI: []string{"a.example"}, Pool: poolOf("a", saying(t, "a"))}}, Nowhere())
	conn := p.dial()
	conn.SetDeadline(time.Now().Add(time.Minute))
	for i := range len(hello) - 1 {
		if _, err := conn.Write(hello[i : i+1]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Microsecond) // else the kernel makes one of several
	}
	testnet.Still(t, 30*time.Second, 50*time.Millisecond, "the worker has taken note of all", p.Turns)
	conn.Write(hello[len(hello)-1:])
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		t.Errorf("who has said all: %v", err)
	}
}

// TestHalfAHelloInASmallBufferDoesNotSpin: the kernel tells of less than what was asked
// for where the socket's buffer is small.
func TestHalfAHelloInASmallBufferDoesNotSpin(t *testing.T) {
	hello := testnet.HelloOf(t, &tls.Config{ServerName: "a.example.com", NextProtos: slices.Repeat([]string{strings.Repeat("x", 250)}, 80)})
	p := newRouted(t, slowly, []Route{{SNI: []string{"*.example.com"}, Pool: poolOf("a", saying(t, "a"))}}, Nowhere())
	for _, d := range p.live.Load().doors {
		if d != nil {
			testnet.Must(t, "a small buffer", syscall.SetsockoptInt(d.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, len(hello)*7/8))
		}
	}
	conn := p.dial()
	conn.SetDeadline(time.Now().Add(time.Minute))
	conn.Write(hello[:len(hello)-1])
	turns := testnet.Still(t, 30*time.Second, 50*time.Millisecond, "all that fits has been passed on, and noted", p.Turns)
	if turns > 200 {
		t.Errorf("%d turns, want at most 200", turns)
	}
	conn.Write(hello[len(hello)-1:])
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		t.Errorf("who has said all: %v", err)
	}
}
