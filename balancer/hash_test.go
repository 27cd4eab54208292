package balancer

import (
	"math"
	"net/netip"
	"strings"
	"testing"
)

// A number here may never change: clients would change their backend with the
// version of the program.
func TestHashIsTheSameForEver(t *testing.T) {
	for s, want := range map[string]uint64{
		"":                 0xbd7fd61e14dcc68f,
		"a":                0xc8074269d9642363,
		"12345678":         0x803d156aced31de9,
		"app-7.test:8443x": 0x1d19157d5131c85c,
	} {
		if got := HashString(s); got != want {
			t.Errorf("HashString(%q): got %#x, want %#x", s, got, want)
		}
	}
	for s, want := range map[string]uint64{"192.0.2.7": 0x7002621ed21a9551, "2001:db8::7": 0x7722b525e360313f} {
		if got := HashAddr(netip.MustParseAddr(s)); got != want {
			t.Errorf("HashAddr(%s): got %#x, want %#x", s, got, want)
		}
	}
}

func TestHashAddrIsThatOfTheHost(t *testing.T) {
	for _, pair := range [][2]string{{"192.0.2.7", "::ffff:192.0.2.7"}, {"fe80::1", "fe80::1%eth0"}} {
		if a, b := HashAddr(netip.MustParseAddr(pair[0])), HashAddr(netip.MustParseAddr(pair[1])); a != b {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
	if HashAddr(netip.MustParseAddr("192.0.2.7")) == HashAddr(netip.MustParseAddr("::192.0.2.7")) {
		t.Error("192.0.2.7 and ::192.0.2.7 are the same")
	}
}

// Strings of zeros differ in nothing but their length, and neighbours in one
// byte anywhere.
func TestHashTellsApart(t *testing.T) {
	seen := make(map[uint64]string)
	put := func(s string) {
		if old, ok := seen[HashString(s)]; ok && old != s {
			t.Errorf("%q and %q have the same hash", old, s)
		}
		seen[HashString(s)] = s
	}
	for n := range 40 {
		put(strings.Repeat("\x00", n))
		for i := range n {
			b := []byte(strings.Repeat("x", n))
			for v := range 3 {
				b[i] = byte(v)
				put(string(b))
			}
		}
	}
	if hash(1, "x") == hash(2, "x") {
		t.Error("the seed does not matter")
	}
}

// Each bit of the input turns each bit of the result over in half of all cases:
// neighbouring addresses are strangers.
func TestHashAddrSpreadsEachBit(t *testing.T) {
	const samples = 4000
	for bit := range 32 {
		var turned [64]int
		for n := range uint32(samples) {
			x := n * 2654435761
			a, b := HashAddr(v4(x)), HashAddr(v4(x^1<<bit))
			for out := range 64 {
				turned[out] += int((a ^ b) >> out & 1)
			}
		}
		for out, n := range turned {
			if off := math.Abs(float64(n)/samples - 0.5); off > 0.05 {
				t.Errorf("address bit %d turns hash bit %d in %d of %d", bit, out, n, samples)
			}
		}
	}
}

// One network of 256 neighbours spreads over a pool as random keys do.
func TestHashAddrSpreadsNeighbours(t *testing.T) {
	everyHash(t, func(t *testing.T, policy string) {
		p := picker(t, policy, equal(4))
		var counts [4]float64
		for n := range uint32(256) {
			counts[p.Pick(&Request{Key: HashAddr(v4(0x0a000100 + n))})]++
		}
		for i, n := range counts {
			if math.Abs(n-64) > 35 { // five deviations
				t.Errorf("backend %d has %.0f of 256 neighbours", i, n)
			}
		}
	})
}

func v4(x uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
}

func TestHashAllocatesNothing(t *testing.T) {
	a, s := netip.MustParseAddr("2001:db8::7"), strings.Repeat("name", 10)
	var sum uint64
	if n := testing.AllocsPerRun(100, func() { sum += HashAddr(a) + HashString(s) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
