package hello

import (
	"encoding/binary"
	"os"
	"testing"

	"sluice/internal/testnet"
)

func TestRealClientsAreUnderstood(t *testing.T) {
	for _, c := range testnet.ClientHellos(t) {
		t.Run(c.Client, func(t *testing.T) {
			t.Parallel()
			if c.Client == "Go, post-quantum" && len(c.Bytes) < 1300 {
				t.Errorf("it is of %d bytes: it has no large key share", len(c.Bytes))
			}
			found(t, c.Bytes, c.Name, c.ALPN)
			inPieces(t, c.Bytes, 1)
			t.Logf("%d bytes, %d fragmentations", len(c.Bytes), inRecords(t, c.Bytes, c.Name, c.ALPN))
		})
	}
}

// inRecords divides a ClientHello into records of every size, and what comes of it
// at every byte; where that is much, at one of many. It returns how many divisions
// that were.
func inRecords(t *testing.T, b []byte, name, alpn string) (divisions int) {
	t.Helper()
	m := testnet.HandshakeOf(b)
	for size := 1; size <= len(m); size++ {
		again := testnet.Records(m, size)
		found(t, again, name, alpn)
		step := 1
		if os.Getenv("SLUICE_TEST_FULL") == "" {
			step += len(m) / 100
		}
		divisions += inPieces(t, again, step)
	}
	return divisions
}

// A real ClientHello that is made longer by padding (RFC 7685) is understood up to
// the last byte that is looked at, and one of a byte more is not.
func TestRealHelloOf64KiB(t *testing.T) {
	real := testnet.ClientHellos(t)[0]
	for _, size := range []int{100, 1000, 1<<14 - 1, 1 << 14} {
		grown := testnet.Records(padded(testnet.HandshakeOf(real.Bytes), Most, size), size)
		if len(grown) != Most {
			t.Fatalf("in records of %d it is of %d bytes", size, len(grown))
		}
		found(t, grown, real.Name, real.ALPN)
		inPieces(t, grown, 1+len(grown)/(2*size))
		var h Hello
		if v, _ := h.Parse(testnet.Records(padded(testnet.HandshakeOf(real.Bytes), Most+1, size), size)); v != NotTLS {
			t.Errorf("in records of %d: got verdict %d for a byte more", size, v)
		}
	}
}

// padded is a ClientHello with so much padding that it takes a number of bytes in
// records of a size.
func padded(m []byte, bytes, size int) []byte {
	n := bytes - len(m) - 4
	for n > 0 && len(m)+4+n+5*((len(m)+4+n+size-1)/size) > bytes {
		n--
	}
	m = append(m[:len(m):len(m)], extension(21, make([]byte, n)...)...)
	copy(m[1:], []byte{byte((len(m) - 4) >> 16), byte((len(m) - 4) >> 8), byte(len(m) - 4)})
	at := 4 + 2 + 32
	at += 1 + int(m[at])
	at += 2 + int(binary.BigEndian.Uint16(m[at:]))
	at += 1 + int(m[at])
	binary.BigEndian.PutUint16(m[at:], uint16(len(m)-at-2))
	return m
}

func TestHelloThatSaysItIsTooLong(t *testing.T) {
	var h Hello
	// Small records make it longer than is looked at, though the message is not.
	if v, _ := h.Parse(testnet.Records(made(extension(21, make([]byte, 60_000)...), sni("far.example")), 20)); v != NotTLS {
		t.Errorf("got verdict %d for more than 64 KiB", v)
	}
	if v, _ := h.Parse([]byte{22, 3, 1, 0x40, 0, 1, 1, 0, 0}); v != NotTLS {
		t.Errorf("got verdict %d for a message that says that it is more than 64 KiB", v)
	}
}

// inPieces holds the beginnings of a ClientHello, up to every byte or one of step,
// to asking for more, and for no more than there will be. It returns how many it saw.
func inPieces(t *testing.T, b []byte, step int) (seen int) {
	t.Helper()
	var h Hello
	whole := length(b)
	for n := len(b) % step; n < whole; n += step {
		seen++
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
	return seen
}

// length is up to where the records that have the ClientHello go.
func length(b []byte) int {
	left := 4 + int(binary.BigEndian.Uint32(append([]byte{0}, testnet.HandshakeOf(b)[1:4]...)))
	n := 0
	for left > 0 {
		size := int(binary.BigEndian.Uint16(b[n+3:]))
		left -= size
		n += 5 + size
	}
	return n + min(left, 0)
}
