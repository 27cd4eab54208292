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
			checkPoolOf(r, listeners.keys[name], pools)
		}
		binds := bindsOf(listeners)
		checkBinds(r, binds)
		for _, b := range binds {
			doors[b.pool] = append(doors[b.pool], b)
		}
	}
	if pools == nil {
		return
	}
	for _, name := range pools.names {
		checkBackends(r, pools.keys[name], doors[name])
	}
}

// checkPoolOf follows a listener's pool to its table.
func checkPoolOf(r *reader, listener, pools *node) {
	n := listener.keys["pool"]
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

func stringOf(n *node) (string, bool) {
	if n == nil || n.unexpanded {
		return "", false
	}
	s, ok := n.value.(string)
	return s, ok
}
