package config

import (
	"net/netip"
	"strings"
)

// SourceClient is the source of a pool that connects from the client's own address.
const SourceClient = "client"

// sourceAddress takes where connections to backends come from.
func sourceAddress() kind {
	return scalar{`an IP address of this machine, or "client"`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		if s == "" || s == SourceClient {
			return s, nil
		}
		ip, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			if strings.Contains(s, ":") || strings.Contains(s, "/") {
				return nil, also("the kernel chooses the port")
			}
			return nil, errWrong
		case ip.IsUnspecified() || ip.IsMulticast() || ip == broadcast:
			return nil, also("%s is no address to come from", ip)
		}
		return ip.Unmap().String(), nil
	}}
}

// interfaceName takes the name of an interface, which need not be there.
func interfaceName() kind {
	return scalar{"the name of an interface", func(v any) (any, error) {
		s, ok := v.(string)
		if !ok || len(s) > longestInterface || strings.ContainsAny(s, " /:\t\n\x00") {
			return nil, errWrong
		}
		return s, nil
	}}
}

// checkSource finds a source of another family than a backend.
func checkSource(r *reader, pool, at *node, a Address) {
	written, ok := stringOf(pool.keys["source"])
	ip, err := netip.ParseAddr(written)
	if !ok || err != nil || a.Unix != "" || ip.Unmap().Is4() == a.TCP.Addr().Is4() {
		return
	}
	pool.keys["source"].fault(&r.faults, "found %q, from where %s at %s cannot be connected to: it is of the other family", written, at.path, at.where())
}
