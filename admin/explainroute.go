package admin

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"sluice/config"
	"sluice/proxy"
)

// clientHello is what a client would say.
type clientHello struct {
	name string   // "": none
	alpn []string // "h2", "http/1.1"
}

// saidBy reads the query of a request.
func saidBy(query url.Values) (h clientHello, err error) {
	h.name = strings.TrimSuffix(strings.ToLower(query.Get("sni")), ".")
	for _, p := range query["alpn"] {
		for p := range strings.SplitSeq(p, ",") {
			if p == "" || len(p) > 127 {
				return h, badQuery("alpn", p, "protocols such as h2,http/1.1")
			}
			h.alpn = append(h.alpn, p)
		}
	}
	return h, nil
}

// list is the protocols as they are sent.
func (h *clientHello) list() (list []byte) {
	for _, p := range h.alpn {
		list = append(append(list, byte(len(p))), p...)
	}
	return list
}

// explainRoute says which route is taken and sets the pool, by the matcher that the
// workers use. It reports false if the connection would not come further.
func (s *Server) explainRoute(e *Explanation, l *config.Listener, from netip.Addr, said clientHello, say func(string, ...any)) bool {
	if l.ProxyProtocol != "" && l.ProxyProtocol != "off" {
		say("PROXY header: %s; %s is taken for the address in it, or for who sends none", l.ProxyProtocol, from)
	}
	in := listenerIn(s.data.Table(), l.Name)
	if in == nil || in.Routes == nil {
		if said.name != "" || len(said.alpn) > 0 {
			say("sni %s: not looked at, this listener has no routes", said.name)
		}
		return true
	}
	i := in.Routes.Match(said.name, said.list(), from)
	switch {
	case i >= 0 && i < len(l.Routes):
		e.Pool, e.Route = in.Routes.Pool(i).Name, i
		say("route %d: %s fits", i, conditions(&l.Routes[i]))
	case l.Pool == "":
		say("no route of %d fits, and the listener has no pool: turned away by %s", in.Routes.Len(), l.Reject)
		return false
	default:
		say("no route of %d fits: the pool of the listener", in.Routes.Len())
	}
	return true
}

// conditions are those of a route in few words.
func conditions(r *config.Route) string {
	var all []string
	few := func(key string, words []string) {
		const most = 3
		if n := len(words); n > most {
			words = append(words[:most:most], fmt.Sprintf("%d more", n-most))
		}
		if len(words) > 0 {
			all = append(all, key+" "+strings.Join(words, ", "))
		}
	}
	few("sni", r.SNI)
	few("alpn", r.ALPN)
	var networks []string
	for _, p := range r.Source {
		networks = append(networks, p.String())
	}
	few("source", networks)
	return strings.Join(all, "; ")
}

func listenerIn(t *proxy.Table, name string) *proxy.Listener {
	for _, l := range t.Listeners {
		if l.Name == name {
			return l
		}
	}
	return nil
}
