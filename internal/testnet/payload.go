package testnet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Stream is an endless sequence of bytes that anybody who knows the seed can
// make again. A byte depends on its position, so that a byte lost, repeated,
// changed or out of order is seen where it happens.
type Stream uint64

// Fill writes into p the bytes of s that begin at position at.
func (s Stream) Fill(p []byte, at int64) {
	var word [8]byte
	for len(p) > 0 {
		i, skip := uint64(at)/8, int(at%8)
		if skip == 0 && len(p) >= 8 {
			binary.LittleEndian.PutUint64(p, s.word(i))
			p, at = p[8:], at+8
			continue
		}
		binary.LittleEndian.PutUint64(word[:], s.word(i))
		n := copy(p, word[skip:])
		p, at = p[n:], at+int64(n)
	}
}

// word is splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators) at step i.
func (s Stream) word(i uint64) uint64 {
	z := uint64(s)*0xd1342543de82ef95 + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Reader reads the first n bytes of s.
func (s Stream) Reader(n int64) io.Reader { return &reader{s: s, end: n} }

type reader struct {
	s       Stream
	at, end int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.at == r.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.end-r.at)]
	r.s.Fill(p, r.at)
	r.at += int64(len(p))
	return len(p), nil
}

// Verifier is a writer that accepts exactly the bytes of a stream and errs at
// the first that differs. The zero value checks Stream(0).
type Verifier struct {
	Stream Stream
	N      int64 // bytes seen so far, all of them right
	want   []byte
}

// Write compares p with the next bytes of the stream.
func (v *Verifier) Write(p []byte) (int, error) {
	if len(v.want) < len(p) {
		v.want = make([]byte, len(p))
	}
	want := v.want[:len(p)]
	v.Stream.Fill(want, v.N)
	if bytes.Equal(p, want) {
		v.N += int64(len(p))
		return len(p), nil
	}
	i := 0
	for p[i] == want[i] {
		i++
	}
	v.N += int64(i)
	return i, fmt.Errorf("byte %d of stream %d: got %#x, want %#x%s",
		v.N, v.Stream, p[i], want[i], v.diagnose(p[i:]))
}

// diagnose says where in the stream the bytes got belong, if they are its own.
func (v *Verifier) diagnose(got []byte) string {
	const enough = 8 // shorter runs match somewhere by chance
	if len(got) < enough {
		return ""
	}
	const around = 4 << 20
	from := max(0, v.N-around)
	window := make([]byte, 2*around)
	v.Stream.Fill(window, from)
	at := bytes.Index(window, got[:enough])
	switch d := from + int64(at) - v.N; {
	case at < 0:
		return " (not bytes of the stream)"
	case d > 0:
		return fmt.Sprintf(" (%d bytes are missing or late)", d)
	default:
		return fmt.Sprintf(" (bytes of %d earlier came again)", -d)
	}
}

// Receive reads all of r, which must be exactly the first n bytes of s.
func (s Stream) Receive(r io.Reader, n int64) error {
	v := Verifier{Stream: s}
	_, err := io.CopyBuffer(&v, struct{ io.Reader }{r}, buffer(n))
	switch {
	case err != nil:
		return fmt.Errorf("after %d of %d bytes: %w", v.N, n, err)
	case v.N != n:
		return fmt.Errorf("ended after %d of %d bytes", v.N, n)
	}
	return nil
}

// Send writes the first n bytes of s to w, in large writes.
func (s Stream) Send(w io.Writer, n int64) error {
	// The wrappers hide ReadFrom and WriteTo: the bytes go through our buffer.
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, s.Reader(n), buffer(n))
	return err
}

// buffer is one to move n bytes through.
func buffer(n int64) []byte { return make([]byte, min(max(n, 512), 256<<10)) }
