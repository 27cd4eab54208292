package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func prefixes(s ...string) (all []netip.Prefix) {
	for _, p := range s {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func listOf(protocols ...string) (list []byte) {
	for _, p := range protocols {
		list = append(append(list, byte(len(p))), p...)
	}
	return list
}

func TestTheFirstRouteThatFitsIsTaken(t *testing.T) {
	r := NewRoutes([]Route{
		0: {SNI: []string{"inner.example.com"}, Source: prefixes("10.0.0.0/8", "2001:db8::/32")},
		1: {SNI: []string{"*.example.com"}, ALPN: []string{"h2"}},
		2: {SNI: []string{"api.example.com", "example.com"}},
		3: {Source: prefixes("192.0.2.0/24")},
		4: {SNI: []string{"*.example.com"}},
		5: {Source: prefixes("192.0.2.7/32", "0.0.0.0/1")},
		6: {ALPN: []string{"acme-tls/1"}},
		7: {SNI: []string{"*"}},
	})
	for _, c := range []struct {
		name, alpn, from string
		want             int
	}{
		{"inner.example.com", "", "10.1.2.3", 0}, {"inner.example.com", "", "::ffff:10.1.2.3", 0}, {"inner.example.com", "", "2001:db8::1", 0},
		{"inner.example.com", "", "198.51.100.1", 4}, {"inner.example.com", "", "", 4},
		{"api.example.com", "h2", "198.51.100.1", 1}, {"api.example.com", "http/1.1", "198.51.100.1", 2}, {"api.example.com", "", "192.0.2.1", 2},
		{"a.b.c.example.com", "", "198.51.100.1", 4}, {"example.com", "h2", "198.51.100.1", 2}, {"badexample.com", "", "198.51.100.1", 7},
		{"", "", "192.0.2.7", 3}, {"", "", "192.0.2.8", 3}, {"", "", "1.2.3.4", 5}, {"", "", "198.51.100.1", -1}, {"", "", "", -1},
		{"other.org", "acme-tls/1", "198.51.100.1", 6}, {"", "acme-tls/1", "198.51.100.1", 6}, {"other.org", "", "198.51.100.1", 7},
	} {
		from, _ := netip.ParseAddr(c.from)
		var offers []byte
		if c.alpn != "" {
			offers = listOf("x", c.alpn)
		}
		if got := r.Match(c.name, offers, from); got != c.want {
			t.Errorf("%q %q from %q: got route %d, want %d", c.name, c.alpn, c.from, got, c.want)
		}
	}
}

// TestRoutesAgreeWithAWalkThroughAllOfThem compares with the plainest way to do it.
func TestRoutesAgreeWithAWalkThroughAllOfThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(of ...string) (list []string) {
		for range random.IntN(3) {
			list = append(list, of[random.IntN(len(of))])
		}
		return list
	}
	names := []string{"a.x", "b.x", "c.a.x", "x", "d.c.a.x", "y"}
	networks := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0", "2001:db8::/32"}
	for range 3000 {
		var routes []Route
		for range random.IntN(8) {
			routes = append(routes, Route{SNI: some("a.x", "*.x", "*.a.x", "*", "y"), ALPN: some("h2", "h3"), Source: prefixes(some(networks...)...)})
		}
		r := NewRoutes(routes)
		for range 10 {
			name, alpn := "", listOf(some("h2", "h3", "z")...)
			if random.IntN(4) > 0 {
				name = names[random.IntN(len(names))]
			}
			from, _ := netip.ParseAddr([]string{"10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "2001:db8::5", "::1", ""}[random.IntN(7)])
			want := slices.IndexFunc(routes, func(x Route) bool { return plainly(x, name, alpn, from) })
			if got := r.Match(name, alpn, from); got != want {
				t.Fatalf("%+v: %q %q from %v: got %d, want %d", routes, name, alpn, from, got, want)
			}
			if !r.Looks(from) && r.Match("", nil, from) != want {
				t.Fatalf("%+v: %q %q from %v need not be looked at, and yet it counts", routes, name, alpn, from)
			}
		}
	}
}

func plainly(x Route, name string, alpn []byte, from netip.Addr) bool {
	return (len(x.SNI) == 0 || slices.ContainsFunc(x.SNI, func(n string) bool {
		end, wild := strings.CutPrefix(n, "*")
		return name != "" && (n == name || wild && strings.HasSuffix(name, end))
	})) && (len(x.ALPN) == 0 || slices.ContainsFunc(x.ALPN, func(p string) bool { return strings.Contains(string(alpn), string(listOf(p))) })) &&
		(len(x.Source) == 0 || from.IsValid() && slices.ContainsFunc(x.Source, func(p netip.Prefix) bool { return p.Contains(from) }))
}

func TestMatchAllocatesNothing(t *testing.T) {
	r := manyRoutes(1000)
	offers := listOf("h2")
	from := netip.MustParseAddr("198.51.100.1")
	if n := testing.AllocsPerRun(100, func() { r.Match("a.b.name-500.example.com", offers, from) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func manyRoutes(n int) *Routes {
	var routes []Route
	for i := range n {
		routes = append(routes, Route{SNI: []string{fmt.Sprintf("name-%d.example.com", i), fmt.Sprintf("*.name-%d.example.com", i)}},
			Route{Source: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)}})
	}
	return NewRoutes(routes)
}

func BenchmarkMatch(b *testing.B) {
	from := netip.MustParseAddr("198.51.100.1")
	for _, n := range []int{1, 5, 100, 500, 10_000} {
		r := manyRoutes(n)
		for what, name := range map[string]string{"exact": fmt.Sprintf("name-%d.example.com", n-1), "wildcard": fmt.Sprintf("a.name-%d.example.com", n-1), "none": "x.example.org"} {
			b.Run(fmt.Sprintf("%d routes/%s", 2*n, what), func(b *testing.B) {
				for b.Loop() {
					r.Match(name, nil, from)
				}
			})
		}
	}
}
