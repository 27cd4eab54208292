package config

import (
	"maps"
	"slices"
	"strings"
)

// check finds what is wrong between keys that are each well formed: names that
// lead nowhere, and names and addresses that two things want.
func check(r *reader, top *node, cfg *Config) {
	listeners, pools := top.keys["listeners"], top.keys["pools"]
	if listeners == nil || listeners.table && len(listeners.names) == 0 {
		r.faults = append(r.faults, Fault{top.file, 1, 1, "", "no listener, expected at least one [listeners.NAME]"})
	}
	doors := make(map[string][]bound) // by pool
	if listeners != nil && listeners.table {
		for _, name := range listeners.names {
			checkPoolsOf(r, listeners.keys[name], pools)
		}
		binds := bindsOf(listeners)
		checkBinds(r, append(binds, bindsOfAdmin(top.keys["admin"], cfg.Admin)...))
		for _, b := range binds {
			for _, pool := range b.pools {
				doors[pool] = append(doors[pool], b)
			}
		}
	}
	if pools == nil {
		return
	}
	for _, name := range pools.names {
		checkBackends(r, pools.keys[name], doors[name])
	}
}

// checkPoolsOf follows the pool of a listener and those of its routes to their
// tables.
func checkPoolsOf(r *reader, listener, pools *node) {
	routes := routesOf(listener)
	if listener.table && listener.keys["pool"] == nil && len(routes) == 0 {
		listener.keyFault(&r.faults, "pool", "missing; expected the name of a pool")
	}
	checkPoolOf(r, listener, pools)
	for _, route := range routes {
		checkPoolOf(r, route, pools)
	}
}

// routesOf are the routes of a listener that are tables.
func routesOf(listener *node) (routes []*node) {
	if n := listener.keys["routes"]; n != nil && n.list {
		for _, item := range n.items {
			if item.table {
				routes = append(routes, item)
			}
		}
	}
	return routes
}

// checkPoolOf follows a pool that is named to its table.
func checkPoolOf(r *reader, from, pools *node) {
	n := from.keys["pool"]
	if n == nil || n.unexpanded {
		return
	}
	name, ok := n.value.(string)
	if !ok {
		return
	}
	var known []string
	if pools != nil {
		known = slices.Sorted(maps.Keys(pools.keys))
	}
	if slices.Contains(known, name) {
		return
	}
	tail := didYouMean(name, known)
	switch {
	case tail != "":
	case len(known) == 0:
		tail = "; there is no pool at all"
	case len(known) <= 8:
		tail = "; expected one of " + strings.Join(known, ", ")
	}
	n.fault(&r.faults, "found %s, expected the name of a pool%s", n, tail)
}

// checkBackends looks at a pool; own are the binds that send to it.
func checkBackends(r *reader, pool *node, own []bound) {
	if !pool.table {
		return
	}
	list := pool.keys["backends"]
	if pool.keys["discovery"] == nil && (list == nil || list.list && len(list.items) == 0) {
		at := pool
		path := "backends"
		if list != nil {
			at, path = list, ""
		}
		at.keyFault(&r.faults, path, "no backend, expected a list of at least one such as [%q]", "127.0.0.1:9001")
		return
	}
	if list == nil || !list.list {
		return
	}
	names := make(map[string]*node)
	addresses := make(map[Address]*node)
	for _, n := range list.items {
		at := n
		if n.table {
			at = n.keys["address"]
		}
		written, ok := stringOf(at)
		if !ok {
			continue
		}
		if a, err := ParseAddress(written); err == nil {
			if first := addresses[a]; first != nil {
				at.fault(&r.faults, "found %s, an address that %s at %s has already", at, first.path, first.where())
				continue
			}
			addresses[a] = n
			checkLoop(r, at, a, own)
			checkPort(r, pool, at, a)
			checkSource(r, pool, at, a)
		}
		name := written
		if given, ok := stringOf(n.keys["name"]); ok && given != "" {
			name, at = given, n.keys["name"]
		}
		if first := names[name]; first != nil {
			at.fault(&r.faults, "found %q, a name that %s at %s has already", clip(name), first.path, first.where())
			continue
		}
		names[name] = n
	}
}

// checkPort finds a health check that asks another port of what has none.
func checkPort(r *reader, pool, at *node, a Address) {
	health := pool.keys["health"]
	if a.Unix == "" || health == nil || !health.table {
		return
	}
	for _, key := range []string{"address", "agent"} {
		if own, ok := stringOf(health.keys[key]); ok && strings.HasPrefix(own, ":") {
			health.keys[key].fault(&r.faults, "found %q, a port, and %s at %s is a unix socket; expected an address", own, at.path, at.where())
		}
	}
}

func stringOf(n *node) (string, bool) {
	if n == nil || n.unexpanded {
		return "", false
	}
	s, ok := n.value.(string)
	return s, ok
}
