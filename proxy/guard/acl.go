package guard

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"
)

// ACL is two lists of networks, those that may come in and those that may not.
// Of all networks that have an address the longest decides; one that is in both
// lists is denied. An address in none may come in unless there is a list of those
// that may. It is immutable; the zero value and nil let everyone in.
type ACL struct {
	table  bart.Table[bool] // true: may come in
	closed bool             // who is in no network may not
}

// NewACL makes one of its lists; nil for two empty ones. A network of mapped
// IPv4 addresses (::ffff:0:0/96 and longer) is one of IPv4.
func NewACL(allow, deny []netip.Prefix) *ACL {
	if len(allow)+len(deny) == 0 {
		return nil
	}
	a := &ACL{closed: len(allow) > 0}
	for _, p := range allow {
		a.table.Insert(plain(p), true)
	}
	for _, p := range deny {
		a.table.Insert(plain(p), false)
	}
	return a
}

func plain(p netip.Prefix) netip.Prefix {
	if ip := p.Addr(); ip.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(ip.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Admits reports whether an address may come in. It allocates nothing.
func (a *ACL) Admits(ip netip.Addr) bool {
	if a == nil {
		return true
	}
	if may, ok := a.table.Lookup(ip.Unmap()); ok {
		return may
	}
	return !a.closed
}

// Explain says whether an address may come in and why.
func (a *ACL) Explain(ip netip.Addr) (may bool, why string) {
	if a == nil {
		return true, "there are no address lists"
	}
	ip = ip.Unmap()
	p, may, ok := a.table.LookupPrefixLPM(netip.PrefixFrom(ip, ip.BitLen()))
	switch {
	case !ok && a.closed:
		return false, "it is in no network that is allowed"
	case !ok:
		return true, "it is in no network that is denied"
	case may:
		return true, fmt.Sprintf("%s is allowed", p)
	}
	return false, fmt.Sprintf("%s is denied", p)
}

// Size is how many networks there are, in either list.
func (a *ACL) Size() int {
	if a == nil {
		return 0
	}
	return a.table.Size()
}
