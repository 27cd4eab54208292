package testnet

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestStreamIsTheSameHoweverItIsRead(t *testing.T) {
	const n = 1000
	whole, err := io.ReadAll(Stream(7).Reader(n))
	if err != nil || len(whole) != n {
		t.Fatalf("got %d bytes, %v, want %d", len(whole), err, n)
	}
	single, err := io.ReadAll(iotest.OneByteReader(Stream(7).Reader(n)))
	if err != nil || !bytes.Equal(whole, single) {
		t.Errorf("one byte at a time gives another stream (%v)", err)
	}
	for at := range n - 20 {
		part := make([]byte, 20)
		Stream(7).Fill(part, int64(at))
		if !bytes.Equal(part, whole[at:at+20]) {
			t.Fatalf("Fill at %d gives other bytes than reading from 0", at)
		}
	}
	other, _ := io.ReadAll(Stream(8).Reader(n))
	if bytes.Equal(whole, other) {
		t.Error("another seed gives the same stream")
	}
}

func TestVerifierSeesEveryKindOfDamage(t *testing.T) {
	const n = 64 << 10
	good, _ := io.ReadAll(Stream(3).Reader(n))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	flipped := bytes.Clone(good)
	flipped[40000] ^= 1
	for name, tc := range map[string]struct {
		bytes []byte
		want  string
	}{
		"lost":      {join(good[:10000], good[10100:]), "after 10000 of 65536 bytes: byte 10000 of stream 3: got 0x"},
		"lost run":  {join(good[:4096], good[8192:]), "(4096 bytes are missing or late)"},
		"repeated":  {join(good[:8192], good[4096:]), "(bytes of 4096 earlier came again)"},
		"reordered": {join(good[:100], good[200:300], good[100:200], good[300:]), "(100 bytes are missing or late)"},
		"changed":   {flipped, "byte 40000 of stream 3"},
		"foreign":   {join(good[:5000], make([]byte, 100), good[5100:]), "(not bytes of the stream)"},
		"cut":       {good[:n-1], "ended after 65535 of 65536 bytes"},
		"too long":  {join(good, good[:1]), "after 65536 of 65536 bytes: byte 65536"},
		"nothing":   {nil, "ended after 0 of 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Stream(3).Receive(bytes.NewReader(tc.bytes), n)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if err := Stream(3).Receive(iotest.HalfReader(bytes.NewReader(good)), n); err != nil {
		t.Errorf("undamaged stream: %v", err)
	}
}

func BenchmarkReceive(b *testing.B) {
	const n = 16 << 20
	b.SetBytes(n)
	for b.Loop() {
		if err := Stream(1).Receive(Stream(1).Reader(n), n); err != nil {
			b.Fatal(err)
		}
	}
}
