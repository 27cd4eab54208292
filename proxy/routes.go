package proxy

import (
	"cmp"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"sluice/proxy/hello"
)

// Route sends a connection to a pool of its own if it meets every condition that
// there is: one of the names, one of the protocols, one of the networks.
type Route struct {
	// SNI are names in lower case. "*.example.com" is any name that ends in
	// .example.com, with one label more or several, as for HAProxy's -m end, nginx
	// and Envoy; "*" is any name.
	SNI    []string
	ALPN   []string // what the client offers, among others
	Source []netip.Prefix
	Pool   *Pool
}

// Routes is a compiled list of routes, of which the first that fits is taken.
// It is immutable. A name is found by hashing it, and each of its ends, so ten thousand
// names are no slower than one.
type Routes struct {
	routes []compiledRoute
	exact  map[string][]int32 // name: the routes that have it, in order
	ends   map[string][]int32 // what follows the star: the same
	named  []int32            // those that take any name
	alpn   []int32            // those that ask for a protocol and for no name
	plain  bart.Table[int32]  // those that ask for a source alone: the first that covers it
	open   int32              // the first that asks for nothing
	looks  int32              // the first that asks for a name or a protocol
}

type compiledRoute struct {
	alpn   []string
	source *bart.Lite // nil: any
	pool   *Pool
}

// none is a number that no route has.
const none = math.MaxInt32

// NewRoutes compiles routes.
func NewRoutes(routes []Route) *Routes {
	r := &Routes{exact: map[string][]int32{}, ends: map[string][]int32{}, open: none, looks: none}
	var sources []sourceOf
	for i, route := range routes {
		n := int32(i)
		made := compiledRoute{alpn: route.ALPN, pool: route.Pool}
		if len(route.Source) > 0 {
			made.source = &bart.Lite{}
			for _, p := range route.Source {
				made.source.Insert(p)
			}
		}
		r.routes = append(r.routes, made)
		switch {
		case len(route.SNI)+len(route.ALPN) > 0:
			r.looks = min(r.looks, n)
			r.byName(n, &route)
		case len(route.Source) > 0:
			for _, p := range route.Source {
				sources = append(sources, sourceOf{p.Masked(), n})
			}
		default:
			r.open = min(r.open, n)
		}
	}
	r.bySource(sources)
	return r
}

func (r *Routes) byName(n int32, route *Route) {
	if len(route.SNI) == 0 {
		r.alpn = append(r.alpn, n)
	}
	add := func(list []int32) []int32 {
		if len(list) > 0 && list[len(list)-1] == n {
			return list
		}
		return append(list, n)
	}
	for _, name := range route.SNI {
		switch end, wild := strings.CutPrefix(name, "*."); {
		case name == "*":
			r.named = add(r.named)
		case wild:
			r.ends[end] = add(r.ends[end])
		default:
			r.exact[name] = add(r.exact[name])
		}
	}
}

type sourceOf struct {
	prefix netip.Prefix
	route  int32
}

// bySource gives each network the first route of all that cover it.
func (r *Routes) bySource(all []sourceOf) {
	slices.SortStableFunc(all, func(a, b sourceOf) int { return cmp.Compare(a.prefix.Bits(), b.prefix.Bits()) })
	for _, s := range all {
		if first, ok := r.plain.LookupPrefix(s.prefix); ok {
			s.route = min(s.route, first)
		}
		r.plain.Insert(s.prefix, s.route)
	}
}

// Looking has the ClientHello looked at whatever the routes are, for a pool that goes
// by it.
func (r *Routes) Looking() *Routes {
	r.looks = -1
	return r
}

// Len is how many routes there are.
func (r *Routes) Len() int { return len(r.routes) }

// Pool is where a route leads.
func (r *Routes) Pool(i int) *Pool { return r.routes[i].pool }

// pools are all that a connection of a listener may go to.
func (l *Listener) pools() iter.Seq[*Pool] {
	return func(yield func(*Pool) bool) {
		if !yield(l.Pool) || l.Routes == nil {
			return
		}
		for i := range l.Routes.routes {
			if !yield(l.Routes.routes[i].pool) {
				return
			}
		}
	}
}

// Match is the number of the first route that fits, -1 if none does. name is "" and
// alpn empty if the client did not say; from is the zero value for a unix socket. It
// takes no lock and allocates nothing.
func (r *Routes) Match(name string, alpn []byte, from netip.Addr) int {
	from = from.Unmap().WithZone("")
	best := min(r.open, r.ofSource(from))
	if name != "" {
		best = r.first(r.exact[name], best, alpn, from)
		best = r.first(r.named, best, alpn, from)
		if len(r.ends) > 0 {
			for i := range len(name) {
				if name[i] == '.' {
					best = r.first(r.ends[name[i+1:]], best, alpn, from)
				}
			}
		}
	}
	if len(alpn) > 0 {
		best = r.first(r.alpn, best, alpn, from)
	}
	if best == none {
		return -1
	}
	return int(best)
}

// first is the first of a list that fits, or best if that comes before.
func (r *Routes) first(list []int32, best int32, alpn []byte, from netip.Addr) int32 {
	for _, n := range list {
		if n >= best {
			break
		}
		route := &r.routes[n]
		if route.source != nil && !(from.IsValid() && route.source.Lookup(from)) {
			continue
		}
		if len(route.alpn) == 0 || slices.ContainsFunc(route.alpn, func(p string) bool { return hello.Offers(alpn, p) }) {
			return n
		}
	}
	return best
}

func (r *Routes) ofSource(from netip.Addr) int32 {
	if from.IsValid() {
		if n, ok := r.plain.Lookup(from); ok {
			return n
		}
	}
	return none
}

// Looks reports whether what the client says first must be known to choose a route.
func (r *Routes) Looks(from netip.Addr) bool {
	return r.looks < min(r.open, r.ofSource(from.Unmap().WithZone("")))
}
