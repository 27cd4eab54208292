package config

import "strings"

// bound is one bind of a listener.
type bound struct {
	n       *node
	written string
	at      Address
	both    bool // of [::]: it takes IPv4 as well
}

// covers reports whether a listening socket at b leaves none at a. The kernel
// lets no address listen beside its wildcard on the same port.
func (b bound) covers(a bound) bool {
	if b.at == a.at {
		return true
	}
	ip, other := b.at.TCP.Addr(), a.at.TCP.Addr()
	return ip.IsUnspecified() && (ip.Is4() == other.Is4() || b.both)
}

// checkBinds finds binds that leave no room for each other. As a socket does,
// "[::]:8080" takes IPv4 only where "0.0.0.0:8080" is not bound; ":8080" means
// both and therefore has no room for either.
func checkBinds(r *reader, listeners *node) {
	ports := make(map[uint16][]bound)
	paths := make(map[string]bound)
	four := make(map[uint16]bool)
	for _, name := range listeners.names {
		for _, n := range values(listeners.keys[name].keys["bind"]) {
			written, ok := stringOf(n)
			if !ok {
				continue
			}
			a, err := ParseBind(written)
			if err != nil {
				continue
			}
			b := bound{n: n, written: written, at: a}
			port := a.TCP.Port()
			switch first, taken := paths[a.Unix]; {
			case taken:
				rival(r, b, first)
			case a.Unix != "":
				paths[a.Unix] = b
			case port != 0: // 0 is any free port, another one each time
				ports[port] = append(ports[port], b)
				four[port] = four[port] || a.TCP.Addr().Is4() && a.TCP.Addr().IsUnspecified()
			}
		}
	}
	for port, all := range ports {
		for i := range all {
			ip := all[i].at.TCP.Addr()
			all[i].both = ip.Is6() && ip.IsUnspecified() && (strings.HasPrefix(all[i].written, ":") || !four[port])
		}
		for i, b := range all {
			for _, first := range all[:i] {
				if first.covers(b) || b.covers(first) {
					rival(r, b, first)
					break
				}
			}
		}
	}
}

func rival(r *reader, b, first bound) {
	b.n.fault(&r.faults, "found %s, which leaves no room for %s (%s) at %s", b.n, first.n, first.n.path, first.n.where())
}

// values are the items of a list, or the one thing that stands for it.
func values(n *node) []*node {
	if n == nil {
		return nil
	}
	if n.list {
		return n.items
	}
	return []*node{n}
}
