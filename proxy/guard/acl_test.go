package guard

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func nets(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func TestTheLongestPrefixDecides(t *testing.T) {
	both := NewACL(
		nets("10.0.0.0/8", "10.1.2.0/24", "192.0.2.7/32", "2001:db8::/32", "::ffff:203.0.113.0/120", "198.51.100.0/24"),
		nets("10.1.0.0/16", "10.1.2.9/32", "2001:db8:bad::/48", "198.51.100.0/24"))
	onlyDeny := NewACL(nil, nets("10.0.0.0/8", "::/0"))
	for _, c := range []struct {
		name string
		acl  *ACL
		ip   string
		may  bool
	}{
		{"allowed by the short one", both, "10.9.9.9", true},
		{"denied by a longer one", both, "10.1.9.9", false},
		{"allowed by one longer still", both, "10.1.2.3", true},
		{"denied as an address", both, "10.1.2.9", false},
		{"a tie is deny", both, "198.51.100.1", false},
		{"in no list, but there is one of those allowed", both, "172.16.0.1", false},
		{"IPv6", both, "2001:db8::1", true},
		{"IPv6 denied", both, "2001:db8:bad::1", false},
		{"IPv6 in no list", both, "2001:db9::1", false},
		{"an IPv4 address seen through IPv6", both, "::ffff:10.1.9.9", false},
		{"a network of mapped addresses", both, "203.0.113.5", true},
		{"only a deny list", onlyDeny, "11.0.0.1", true},
		{"only a deny list, in it", onlyDeny, "10.0.0.1", false},
		{"::/0 is every IPv6 address", onlyDeny, "2001::1", false},
		{"and no mapped IPv4 one", onlyDeny, "::ffff:11.0.0.1", true},
		{"no lists", NewACL(nil, nil), "11.0.0.1", true},
	} {
		ip := netip.MustParseAddr(c.ip)
		if got := c.acl.Admits(ip); got != c.may {
			t.Errorf("%s: %s: got %v, want %v", c.name, c.ip, got, c.may)
		}
		if got, why := c.acl.Explain(ip); got != c.may {
			t.Errorf("%s: %s: explained as %v (%s), want %v", c.name, c.ip, got, why, c.may)
		}
	}
}

func TestACLAgreesWithASearchThroughAll(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var allow, deny []netip.Prefix
		some := func() netip.Addr {
			if r.IntN(2) == 0 {
				return netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(3)), byte(r.IntN(4))})
			}
			return netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(3)), byte(r.IntN(3)), 15: byte(r.IntN(4))})
		}
		for range r.IntN(12) {
			ip := some()
			p := netip.PrefixFrom(ip, r.IntN(ip.BitLen()+1)).Masked()
			if r.IntN(2) == 0 {
				allow = append(allow, p)
			} else {
				deny = append(deny, p)
			}
		}
		acl := NewACL(allow, deny)
		for range 200 {
			ip := some()
			best, may := -1, len(allow) == 0
			for _, p := range allow {
				if p.Contains(ip) && p.Bits() > best {
					best, may = p.Bits(), true
				}
			}
			for _, p := range deny {
				if p.Contains(ip) && p.Bits() >= best {
					best, may = p.Bits(), false
				}
			}
			if got := acl.Admits(ip); got != may {
				t.Fatalf("seed %d: %s: got %v, want %v of allow %v deny %v", seed, ip, got, may, allow, deny)
			}
		}
	}
}

// manyNets are n networks such as a list of abusers has.
func manyNets(n int) []netip.Prefix {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]netip.Prefix, n)
	for i := range all {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], r.Uint32())
		all[i] = netip.PrefixFrom(netip.AddrFrom4(b), 16+r.IntN(17)).Masked()
	}
	return all
}

func TestAdmitsAllocatesNothing(t *testing.T) {
	acl, ip := NewACL(nil, manyNets(1000)), netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() { acl.Admits(ip) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdmits(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	ips := make([]netip.Addr, 1<<12)
	for i := range ips {
		ips[i] = netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
	}
	for _, c := range []struct {
		name string
		n    int
	}{{"1", 1}, {"1000", 1000}, {"100000", 100_000}} {
		acl := NewACL(nil, manyNets(c.n))
		b.Run(c.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				acl.Admits(ips[i&(len(ips)-1)])
				i++
			}
		})
	}
}
