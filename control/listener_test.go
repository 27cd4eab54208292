package control

import (
	"net/netip"
	"testing"

	"sluice/config"
	"sluice/proxy"
)

func routed(pool string, routes ...config.Route) config.Listener {
	l := listenerOf("web", pool)
	l.Routes = routes
	return l
}

func TestRoutesLeadToTheirPools(t *testing.T) {
	store := storeOf(&config.Config{
		Listeners: []config.Listener{routed("web",
			config.Route{SNI: []string{"a.example"}, Pool: "a"},
			config.Route{Source: []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.9/120")}, Pool: "b"})},
		Pools: []config.Pool{poolOf("web", 1), poolOf("a", 1), poolOf("b", 1)},
	})
	c := compile(t, store, nil)
	l := c.listener("web")
	if i := l.Routes.Match("a.example", nil, netip.Addr{}); i != 0 || l.Routes.Pool(i) != c.pool("a") {
		t.Errorf("a name leads to route %d", i)
	}
	if i := l.Routes.Match("", nil, netip.MustParseAddr("192.0.2.1")); i != 1 || l.Routes.Pool(i) != c.pool("b") {
		t.Errorf("a source leads to route %d", i)
	}
	if i := l.Routes.Match("", nil, netip.Addr{}); i != -1 || l.Pool != c.pool("web") {
		t.Errorf("nothing leads to route %d and pool %q", i, l.Pool.Name)
	}

	// A pool that only a route leads to has changed: so has the listener.
	again := compile(t, store, c)
	if again != c {
		t.Error("compiled anew though nothing has changed")
	}
	ch := store.Change()
	p := poolOf("b", 1)
	p.Retries = 7
	ch.SetConfig(&config.Config{Listeners: []config.Listener{routed("web",
		config.Route{SNI: []string{"a.example"}, Pool: "a"},
		config.Route{Source: []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.9/120")}, Pool: "b"})},
		Pools: []config.Pool{poolOf("web", 1), poolOf("a", 1), p}})
	ch.Commit()
	next := compile(t, store, c)
	if next.listener("web") == l || next.listener("web").Routes.Pool(1) != next.pool("b") || next.pool("a") != c.pool("a") {
		t.Error("the listener has still the pool of before")
	}
}

func TestListenerWithoutAPoolGoesNowhere(t *testing.T) {
	c := compile(t, storeOf(&config.Config{
		Listeners: []config.Listener{routed("", config.Route{SNI: []string{"a"}, Pool: "a"})}, Pools: []config.Pool{poolOf("a", 1)},
	}), nil)
	if l := c.listener("web"); l.Pool == nil || l.Pool.Name != "" || l.Pool.Balancer == nil {
		t.Errorf("pool %+v", l.Pool)
	}
}

func TestHashOnSNIHasTheClientHelloLookedAt(t *testing.T) {
	for policy, looks := range map[string]bool{"maglev": true, "round_robin": false} {
		p := poolOf("web", 1)
		p.Policy, p.HashOn = policy, "sni"
		c := compile(t, storeOf(&config.Config{Listeners: []config.Listener{routed("web")}, Pools: []config.Pool{p}}), nil)
		if l := c.listener("web"); (l.Routes != nil && l.Routes.Looks(netip.Addr{})) != looks {
			t.Errorf("%s: routes %+v", policy, l.Routes)
		}
	}
}

func TestWhoIsBelieved(t *testing.T) {
	l := routed("web")
	l.ProxyProtocol, l.ProxyProtocolFrom = "required", []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8")}
	made := compile(t, storeOf(&config.Config{Listeners: []config.Listener{l}, Pools: []config.Pool{poolOf("web", 1)}}), nil).listener("web")
	if made.Proxy != proxy.ProxyRequired || !made.ProxyFrom.Lookup(netip.MustParseAddr("10.9.9.9")) || made.ProxyFrom.Lookup(netip.MustParseAddr("11.0.0.1")) {
		t.Errorf("got %+v", made)
	}
}
