package guard

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// A million strangers come. Who behaves is never refused; who does not gets no more
// than its rate while the table has room for all that owe, and beyond that one more
// each time that as many strangers as the table has places have come; and the table
// is as large as it was.
func TestAMillionStrangers(t *testing.T) {
	t.Run("10/s", func(t *testing.T) { millionStrangers(t, 10, false) })
	t.Run("1/s", func(t *testing.T) { millionStrangers(t, 1, true) })
}

func millionStrangers(t *testing.T, perSecond int64, crowded bool) {
	const strangers = 1_000_000
	s := NewSources(9500, 64)
	size := len(s.sets) * int(unsafe.Sizeof(set{}))
	l := Limits{Rate: NewRate(perSecond, time.Second), Most: 20}
	key := func(i int) uint64 {
		var b [16]byte
		b[0] = 0x20
		binary.BigEndian.PutUint32(b[4:], uint32(i))
		return s.Key(netip.AddrFrom16(b))
	}
	good, bad := key(1<<30), key(1<<30+1)
	now, badIn, goodIn := int64(1), 0, 0
	r := rand.New(rand.NewPCG(5, 5))
	for i := range strangers {
		now += int64(8 * time.Microsecond) // 125,000 a second; at 10/s, those who owe and those who stay are under an eighth of the places
		k := key(r.IntN(strangers))
		if _, counted := s.Enter(k, now, l); counted && i%500 != 0 {
			s.Leave(k) // nearly all end at once
		} else if counted {
			defer s.Leave(k)
		}
		if i%10 == 0 {
			if v, counted := s.Enter(bad, now, l); v == Admitted {
				badIn++
				if counted {
					s.Leave(bad)
				}
			}
		}
		if int64(i)%(137_500/perSecond) == 0 { // a little slower than it may
			goodIn++
			v, counted := s.Enter(good, now, l)
			if v != Admitted {
				t.Fatalf("who behaves is refused: %v", v)
			}
			if counted {
				s.Leave(good)
			}
		}
	}
	seconds := int(now / int64(time.Second))
	most := int(perSecond) * (seconds + 2)
	if crowded {
		most += 2 * strangers / (ways * len(s.sets))
	}
	if crowded != (s.Forgotten() > 0) || s.Uncounted() > 0 {
		t.Errorf("%d forgotten, %d uncounted", s.Forgotten(), s.Uncounted())
	}
	if badIn > most {
		t.Errorf("one source was let in %d times in %d s, want at most %d", badIn, seconds, most)
	}
	if n := len(s.sets) * int(unsafe.Sizeof(set{})); n != size || n > 2<<20 {
		t.Errorf("the table has %d bytes, had %d", n, size)
	}
	t.Logf("%d KiB; a source that tries 20,000 times a second came in %d times in %d s; %d forgotten, %d uncounted",
		size>>10, badIn, seconds, s.Forgotten(), s.Uncounted())
}

// Where a set is full, the one that owes least goes, and never one with connections.
func TestAFullSet(t *testing.T) {
	s := NewSources(0, 64)
	same := func(i int) uint64 { return 7<<s.shift | uint64(i+1) } // of one set
	l := Limits{Rate: NewRate(10, time.Second), Most: 10}
	now := int64(time.Hour)
	for i := range ways { // source i comes i+1 times (but ten is all it may), and stays once
		for range min(i+1, 9) {
			if v, counted := s.Enter(same(i), now, l); v != Admitted || !counted {
				t.Fatalf("source %d: %v", i, v)
			}
		}
		for range min(i+1, 9) {
			s.Leave(same(i))
		}
	}
	if v, counted := s.Enter(same(100), now, l); v != Admitted || !counted || s.Forgotten() != 1 {
		t.Errorf("a new one: %v, counted %v, %d forgotten", v, counted, s.Forgotten())
	}
	if count, _ := s.Look(same(ways-1), now, Limits{Most: 1}); count != 0 {
		t.Errorf("%d connections", count)
	}
	// The first is gone and may come as often as it likes; the last still owes nine.
	for range 2 {
		if v, _ := s.Enter(same(ways-1), now, l); v == TooFast {
			break
		}
	}
	if _, v := s.Look(same(ways-1), now, l); v != TooFast {
		t.Errorf("the one that owes most was forgotten")
	}
	later := now + int64(time.Minute)
	for i := range 40 { // now all have connections
		s.Enter(same(200+i), later, l)
	}
	if s.Uncounted() != 40-(ways-2) { // the hundredth has one as well, and so has the last
		t.Errorf("%d uncounted, want %d", s.Uncounted(), 40-(ways-2))
	}
	if v, counted := s.Enter(same(300), later, l); v != Admitted || counted {
		t.Errorf("a stranger in a full set: %v, counted %v", v, counted)
	}
}

func TestKeyOfAnAddress(t *testing.T) {
	for _, c := range []struct {
		a, b   string
		prefix int
		same   bool
	}{
		{"2001:db8::1", "2001:db8::ffff:2", 64, true},
		{"2001:db8::1", "2001:db8:0:1::1", 64, false},
		{"2001:db8:0:1::1", "2001:db8:0:ff::1", 56, true},
		{"2001:db8:0:100::1", "2001:db8:0:ff::1", 56, false},
		{"2001:db8::1", "2001:db8::2", 128, false},
		{"2001:db8::", "2001:db8:0:7::", 61, true},
		{"2001:db8::", "2001:db8:0:8::", 61, false},
		{"192.0.2.1", "192.0.2.2", 64, false},
		{"192.0.2.1", "::ffff:192.0.2.1", 64, true},
	} {
		s := NewSources(0, c.prefix)
		a, b := s.Key(netip.MustParseAddr(c.a)), s.Key(netip.MustParseAddr(c.b))
		if (a == b) != c.same {
			t.Errorf("%s and %s by /%d: the same %v, want %v", c.a, c.b, c.prefix, a == b, c.same)
		}
	}
}

// Workers at once: no source has more connections than it may, none is refused that
// has fewer, and in the end there is none.
func TestSourcesSharedByWorkers(t *testing.T) {
	const workers, sources, most, rounds = 4, 300, 3, 20000
	s := NewSources(0, 64)
	keys := make([]uint64, sources)
	for i := range keys {
		keys[i] = uint64(i%20)<<s.shift | uint64(i/20+1) // twenty crowded sets
	}
	var inside [sources]atomic.Int64
	var running sync.WaitGroup
	var uncounted, refused atomic.Int64
	for w := range workers {
		running.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 9))
			var mine []int
			for range rounds {
				i := r.IntN(sources)
				switch v, counted := s.Enter(keys[i], 1, Limits{Most: most}); {
				case counted:
					if n := inside[i].Add(1); n > most {
						t.Errorf("source %d has %d connections", i, n)
					}
					mine = append(mine, i)
				case v == Admitted:
					uncounted.Add(1)
				default:
					refused.Add(1)
				}
				if len(mine) > 100 || r.IntN(2) == 0 && len(mine) > 0 {
					last := mine[len(mine)-1]
					mine = mine[:len(mine)-1]
					inside[last].Add(-1)
					s.Leave(keys[last])
				}
			}
			for _, i := range mine {
				inside[i].Add(-1)
				s.Leave(keys[i])
			}
		})
	}
	running.Wait()
	for i := range keys {
		if count, v := s.Look(keys[i], 1, Limits{Most: most}); count != 0 || v != Admitted {
			t.Errorf("source %d: %d connections are left", i, count)
		}
	}
	if int64(s.Uncounted()) != uncounted.Load() || refused.Load() == 0 {
		t.Errorf("%d uncounted, want %d; %d refused", s.Uncounted(), uncounted.Load(), refused.Load())
	}
}

func TestEnterAllocatesNothing(t *testing.T) {
	s, ip, now := NewSources(0, 64), netip.MustParseAddr("2001:db8::1"), int64(1)
	l := Limits{Most: 5, Rate: NewRate(1000, time.Second)}
	if n := testing.AllocsPerRun(100, func() {
		now += 1 << 30
		k := s.Key(ip)
		s.Enter(k, now, l)
		s.Leave(k)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSources(b *testing.B) {
	s := NewSources(9500, 64)
	l := Limits{Most: 1000, Rate: NewRate(1<<40, time.Second)}
	ips := make([]netip.Addr, 1<<14)
	for i := range ips {
		ips[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	}
	for _, c := range []struct {
		name string
		n    int
	}{{"one source", 1}, {"16384 sources", 1 << 14}} {
		b.Run(c.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				k := s.Key(ips[i&(c.n-1)])
				s.Enter(k, int64(i)<<20, l)
				s.Leave(k)
				i++
			}
		})
	}
}
