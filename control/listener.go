package control

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"

	"sluice/proxy"
	"sluice/state"
)

// poolsOf are the pools that a listener names: those of its routes, and its own, if
// it has one, last.
func poolsOf(row *state.Listener) (names []string) {
	for _, r := range row.Routes {
		names = append(names, r.Pool)
	}
	if row.Pool != "" {
		names = append(names, row.Pool)
	}
	return names
}

// compileListener takes old if it would come out the same.
func compileListener(row *state.Listener, pools map[string]*pool, old listener) (listener, error) {
	same := old.row == row
	var made []*proxy.Pool
	for i, name := range poolsOf(row) {
		p := pools[name]
		if p == nil {
			return listener{}, fmt.Errorf("pool %q does not exist", name)
		}
		made = append(made, p.made)
		same = same && old.pools[i] == p.made
	}
	if same {
		return old, nil
	}
	main := proxy.Nowhere()
	if row.Pool != "" {
		main = made[len(made)-1]
	}
	if old.row == row { // its pools alone are others: the lists need not be made again
		l := *old.made
		l.Pool, l.Routes = main, routesOf(row, made)
		return listener{row, made, &l}, nil
	}
	l, err := proxyListener(row, main)
	if err != nil {
		return listener{}, err
	}
	l.Routes = routesOf(row, made)
	if l.Proxy, err = word("proxy_protocol", row.ProxyProtocol, proxyProtocols); err != nil {
		return listener{}, err
	}
	if l.Proxy != proxy.ProxyOff {
		l.ProxyFrom = setOf(row.ProxyProtocolFrom)
	}
	return listener{row, made, l}, nil
}

var proxyProtocols = map[string]proxy.ProxyProtocol{"": proxy.ProxyOff, "off": proxy.ProxyOff, "optional": proxy.ProxyOptional, "required": proxy.ProxyRequired}

// routesOf compiles the routes of a listener, made being the pools that it names;
// nil if it has none and need not look at a ClientHello. It must where a pool goes by
// the name in it.
func routesOf(row *state.Listener, made []*proxy.Pool) *proxy.Routes {
	var routes []proxy.Route
	for i, r := range row.Routes {
		routes = append(routes, proxy.Route{SNI: r.SNI, ALPN: r.ALPN, Source: unmapped(r.Source), Pool: made[i]})
	}
	for _, p := range made {
		if p.HashOn == proxy.HashSNI {
			return proxy.NewRoutes(routes).Looking()
		}
	}
	if len(routes) == 0 {
		return nil
	}
	return proxy.NewRoutes(routes)
}

func setOf(prefixes []netip.Prefix) *bart.Lite {
	set := &bart.Lite{}
	for _, p := range unmapped(prefixes) {
		set.Insert(p)
	}
	return set
}

// unmapped is networks of IPv4 in IPv6 as networks of IPv4, which clients are looked
// up by.
func unmapped(prefixes []netip.Prefix) (all []netip.Prefix) {
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		all = append(all, p.Masked())
	}
	return all
}
