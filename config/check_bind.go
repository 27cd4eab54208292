package config

import "strings"

// bound is one bind of a listener.
type bound struct {
	n     *node
	at    Address
	pools []string // of its listener, as far as they are known
	both  bool     // of [::]: it takes IPv4 as well
}

// bindsOf are all binds that can be understood. As a socket does, "[::]:8080"
// takes IPv4 only where "0.0.0.0:8080" is not bound; ":8080" means both.
func bindsOf(listeners *node) []bound {
	var all []bound
	four := make(map[uint16]bool) // ports at 0.0.0.0
	for _, name := range listeners.names {
		var pools []string
		for _, from := range append(routesOf(listeners.keys[name]), listeners.keys[name]) {
			if pool, ok := stringOf(from.keys["pool"]); ok {
				pools = append(pools, pool)
			}
		}
		for _, n := range values(listeners.keys[name].keys["bind"]) {
			written, ok := stringOf(n)
			if !ok {
				continue
			}
			a, err := parseListenerBind(written)
			if err != nil {
				continue
			}
			every := a.TCP.Addr().IsUnspecified()
			all = append(all, bound{n: n, at: a, pools: pools, both: every && strings.HasPrefix(written, ":")})
			if every && a.TCP.Addr().Is4() {
				four[a.TCP.Port()] = true
			}
		}
	}
	for i := range all {
		if at := all[i].at.TCP; at.Addr().Is6() && at.Addr().IsUnspecified() && !four[at.Port()] {
			all[i].both = true
		}
	}
	return all
}

// bindsOfAdmin are where the file wants the admin API. That it may have its
// default address is no wish.
func bindsOfAdmin(n *node, a Admin) []bound {
	if n == nil || !n.table {
		return nil
	}
	var all []bound
	if a.Asked {
		written, _ := stringOf(n.keys["bind"])
		all = append(all, bound{n: n.keys["bind"], at: a.Bind, both: strings.HasPrefix(written, ":")})
	}
	if a.Socket != "" {
		all = append(all, bound{n: n.keys["socket"], at: Address{Unix: a.Socket}})
	}
	return all
}

// covers reports whether a listening socket at b is where connects to a come
// in, if a is an address of this machine.
func (b bound) covers(a Address) bool {
	if b.at == a {
		return true
	}
	ip, other := b.at.TCP.Addr(), a.TCP.Addr()
	return ip.IsUnspecified() && b.at.TCP.Port() == a.TCP.Port() && (ip.Is4() == other.Is4() || b.both)
}

// checkBinds finds binds that leave no room for each other: the kernel lets no
// address listen beside its wildcard on the same port.
func checkBinds(r *reader, all []bound) {
	ports := make(map[uint16][]bound)
	paths := make(map[string]bound)
	for _, b := range all {
		port, path := b.at.TCP.Port(), b.at.Unix
		if b.at.Socket != "" {
			path = b.at.String()
		}
		switch first, taken := paths[path]; {
		case taken:
			rival(r, b, first)
		case path != "":
			paths[path] = b
		case port != 0: // 0 is any free port, another one each time
			for _, first := range ports[port] {
				if first.covers(b.at) || b.covers(first.at) {
					rival(r, b, first)
					break
				}
			}
			ports[port] = append(ports[port], b)
		}
	}
}

func rival(r *reader, b, first bound) {
	b.n.fault(&r.faults, "found %s, which leaves no room for %s (%s) at %s", b.n, first.n, first.n.path, first.n.where())
}

// checkLoop finds a backend that is the listener which sends to it: one client
// would fill the process with connections to itself. An address that is not
// loopback may be another machine's, so that a wildcard says nothing of it.
func checkLoop(r *reader, backend *node, a Address, own []bound) {
	for _, b := range own {
		if b.at == a || b.covers(a) && a.TCP.Addr().IsLoopback() {
			backend.fault(&r.faults, "found %s, which is the listener of this pool itself (%s at %s): a connection would go round without end", backend, b.n, b.n.where())
			return
		}
	}
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
