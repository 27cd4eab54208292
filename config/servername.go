package config

import (
	"errors"
	"net/netip"
	"strings"
)

// serverName takes a name that a client can ask for, in any case, perhaps with a
// star in front.
func serverName() kind {
	return scalar{`a server name such as "api.example.com", "*.example.com" or "*"`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errWrong
		}
		s = strings.TrimSuffix(strings.ToLower(s), ".")
		name := strings.TrimPrefix(s, "*.")
		_, err := netip.ParseAddr(strings.Trim(name, "[]"))
		switch {
		case s == "*":
			return s, nil
		case err == nil:
			return nil, also("a client sends no address as a name (RFC 6066)")
		case strings.Contains(name, "*"):
			return nil, also("a star stands alone or for the first labels")
		case strings.Contains(name, ":"):
			return nil, also("a name has no port")
		case !isServerName(name):
			return nil, errors.New("")
		}
		return s, nil
	}}
}

func isServerName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// protocol takes the name of a protocol in ALPN.
func protocol() kind {
	return scalar{`a protocol such as "h2", of 1 to 127 bytes`, func(v any) (any, error) {
		s, ok := v.(string)
		if !ok || s == "" || len(s) > 127 {
			return nil, errWrong
		}
		return s, nil
	}}
}
