package guard

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// oneSource is what a source is held to, told without a table.
type oneSource struct {
	count int64
	due   uint64
}

type model map[uint64]*oneSource

func (m model) enter(key uint64, now int64, l Limits) Verdict {
	s := m[key]
	if s == nil {
		s = &oneSource{}
		m[key] = s
	}
	at := uint64(now) >> unitShift
	due := max(s.due, at)
	switch {
	case l.Most > 0 && s.count >= l.Most:
		return TooMany
	case l.Rate.Limited() && due-at > units(l.Rate.ahead):
		return TooFast
	}
	if l.Rate.Limited() {
		s.due = due + max(1, units(l.Rate.every))
	}
	if l.Most > 0 {
		s.count++
	}
	return Admitted
}

// While there are not more sources than are promised, the table says what a map
// would, whatever comes in whatever order.
func TestSourcesAreExact(t *testing.T) {
	for seed := range uint64(60) {
		play(t, seed, rand.New(rand.NewPCG(seed, 3)), 4000)
	}
}

type randomness interface {
	IntN(int) int
	Int64N(int64) int64
	Uint64() uint64
}

func play(t *testing.T, seed uint64, r randomness, steps int) {
	t.Helper()
	const sources = 1 << 12
	s, m := NewSources(0, 64), model{}
	l := Limits{}
	if r.IntN(4) > 0 {
		l.Most = 1 + r.Int64N(5)
	}
	if r.IntN(4) > 0 {
		l.Rate = NewRate(1+r.Int64N(20), []time.Duration{time.Second, time.Minute, time.Hour}[r.IntN(3)])
	}
	few := 1 + r.Int64N(sources)
	keys := make([]uint64, few)
	for i := range keys {
		keys[i] = s.Key(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
	}
	var open []uint64
	now := int64(1) + r.Int64N(int64(300*time.Hour))
	for step := range steps {
		now += r.Int64N(int64(200 * time.Millisecond))
		if r.IntN(3) == 0 && len(open) > 0 {
			i := r.IntN(len(open))
			s.Leave(open[i])
			m[open[i]].count--
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
			continue
		}
		key := keys[r.Int64N(few)]
		want := m.enter(key, now, l)
		count, look := s.Look(key, now, l)
		got, counted := s.Enter(key, now, l)
		if got != want || look != want || counted != (got == Admitted && l.Most > 0) {
			t.Fatalf("seed %d, step %d: got %v, counted %v, after a look %v, want %v; limits %+v", seed, step, got, counted, look, want, l)
		}
		if counted {
			if count+1 != m[key].count {
				t.Fatalf("seed %d, step %d: %d connections, want %d", seed, step, count+1, m[key].count)
			}
			open = append(open, key)
		}
	}
	if s.Forgotten() != 0 || s.Uncounted() != 0 {
		t.Fatalf("seed %d: %d forgotten, %d uncounted of %d sources", seed, s.Forgotten(), s.Uncounted(), few)
	}
}

// script is a randomness that a fuzzer writes.
type script struct{ b []byte }

func (s *script) Uint64() uint64 {
	var v [8]byte
	n := copy(v[:], s.b)
	s.b = s.b[min(n, 3):]
	return binary.LittleEndian.Uint64(v[:])
}
func (s *script) IntN(n int) int       { return int(s.Uint64() % uint64(n)) }
func (s *script) Int64N(n int64) int64 { return int64(s.Uint64() % uint64(n)) }

func FuzzSources(f *testing.F) {
	f.Add([]byte("a source comes, and another, and the first goes away again"))
	f.Fuzz(func(t *testing.T, b []byte) { play(t, 0, &script{b}, min(len(b), 3000)) })
}
