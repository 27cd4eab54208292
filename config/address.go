package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// longestPath is what sun_path holds beside its closing zero.
const longestPath = 107

// longestInterface is IFNAMSIZ without its closing zero.
const longestInterface = 15

// Where no backend can be (RFC 6890).
var (
	broadcast   = netip.MustParseAddr("255.255.255.255")
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
)

// passedPrefix is before the name of a socket that systemd passes.
const passedPrefix = "fd:"

// parseListenerBind takes what ParseBind does, and "fd:NAME".
func parseListenerBind(s string) (Address, error) {
	name, ok := strings.CutPrefix(s, passedPrefix)
	switch {
	case !ok:
		return ParseBind(s)
	case name == "":
		return Address{}, errors.New("a socket that systemd passes has a name, that of FileDescriptorName= or of its unit")
	case len(name) > longestName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }):
		return Address{}, fmt.Errorf("%q is not the name of a socket: at most %d letters, digits and signs, no colon (FileDescriptorName= in systemd.socket)", clip(name), longestName)
	}
	return Address{Socket: name}, nil
}

// longestName is what systemd takes (sd_listen_fds_with_names(3)).
const longestName = 255

// ParseBind takes where somebody can listen: "IP:port", ":port" for every
// address, "localhost:port", "unix:/path". Port 0 is any free port.
func ParseBind(s string) (Address, error) {
	if strings.HasPrefix(s, passedPrefix) {
		return Address{}, errors.New("a socket that systemd passes is for the bind of a listener")
	}
	if port, ok := strings.CutPrefix(s, ":"); ok && !strings.Contains(port, ":") {
		s = "[::]:" + port
	}
	if _, ok := digits(s); ok {
		return Address{}, fmt.Errorf("no address; did you mean %q?", ":"+clip(s))
	}
	return parseAddress(s)
}

// DefaultAdmin is where the admin API is unless the file says otherwise.
const DefaultAdmin = "127.0.0.1:9901"

// parseAdminBind takes what ParseBind does, but for paths.
func parseAdminBind(s string) (Address, error) {
	if strings.HasPrefix(s, "unix:") {
		return Address{}, errors.New("a path goes into socket")
	}
	return ParseBind(s)
}

// ParseAddress takes where a backend can be: "IP:port", "localhost:port",
// "unix:/path".
func ParseAddress(s string) (Address, error) {
	if port, ok := strings.CutPrefix(s, ":"); ok && !strings.Contains(port, ":") {
		return Address{}, fmt.Errorf("no address before the port; did you mean %q?", "127.0.0.1:"+clip(port))
	}
	a, err := parseAddress(s)
	switch {
	case err != nil || a.Unix != "":
	case a.TCP.Port() == 0:
		err = errors.New("a backend has a port from 1 to 65535")
	case a.TCP.Addr().IsUnspecified():
		err = fmt.Errorf("%s is every address, a backend has one", a.TCP.Addr())
	case a.TCP.Addr() == broadcast:
		err = fmt.Errorf("%s is the broadcast address", broadcast)
	case thisNetwork.Contains(a.TCP.Addr()):
		err = fmt.Errorf("%s is in %s, where nobody is", a.TCP.Addr(), thisNetwork)
	}
	if err != nil {
		return Address{}, err
	}
	return a, nil
}

// parseElsewhere takes where a backend is asked, beside an address ":port" of
// its own, which comes as a port of every address.
func parseElsewhere(s string) (Address, error) {
	port, ok := strings.CutPrefix(s, ":")
	if !ok || strings.Contains(port, ":") {
		return ParseAddress(s)
	}
	a, err := parseAddress("[::]" + s)
	if err == nil && a.TCP.Port() == 0 {
		err = errors.New("a port is from 1 to 65535")
	}
	return a, err
}

func parseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parsePath(path)
	}
	host, port, err := cutPort(s)
	if err != nil {
		return Address{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("port %q is not a number from 0 to 65535", clip(port))
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.IsMulticast():
		return Address{}, fmt.Errorf("%s is a multicast address", ip)
	case err == nil:
		if err := checkZone(ip.Unmap()); err != nil {
			return Address{}, err
		}
		return Address{TCP: netip.AddrPortFrom(ip.Unmap(), uint16(n))}, nil
	case host == "":
		return Address{}, errors.New("no address before the port")
	case host == "unix":
		return Address{}, fmt.Errorf("a socket's path is absolute: %q", "unix:/path")
	case isHostName(host):
		return Address{}, fmt.Errorf("host names come with discovery type %q, not in this version; expected an IP address", "dns")
	}
	return Address{}, fmt.Errorf("%q is not an IP address", clip(host))
}

// checkZone holds an address to naming an interface if it means nothing without
// one, and only then: the kernel passes over any other. Whether the machine has
// the interface is not asked, since that may come later, as a tunnel's does.
func checkZone(ip netip.Addr) error {
	zone, needs := ip.Zone(), ip.Is6() && ip.IsLinkLocalUnicast()
	switch {
	case needs && zone == "":
		return fmt.Errorf("a link-local address names its interface, such as %s%%eth0", ip)
	case !needs && zone != "":
		return errors.New("only a link-local address names an interface")
	case len(zone) > longestInterface, strings.ContainsFunc(zone, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' || r == ':' }):
		return fmt.Errorf("%q is not the name of an interface", clip(zone))
	}
	return nil
}

// cutPort parts host and port at the last colon and takes the brackets off.
func cutPort(s string) (host, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && !strings.Contains(s, "]:") {
		if ip.Is4() {
			return "", "", fmt.Errorf("no port; expected %q", ip.String()+":PORT")
		}
		if !strings.HasPrefix(s, "[") {
			hint := ""
			if ip, err := netip.ParseAddr(s[:i]); err == nil {
				hint = fmt.Sprintf("; did you mean %q?", "["+ip.String()+"]:"+s[i+1:])
			}
			return "", "", fmt.Errorf("an IPv6 address before a port stands in brackets%s", hint)
		}
		return "", "", fmt.Errorf("no port; expected %q", "["+ip.String()+"]:PORT")
	}
	if i < 0 {
		return "", "", errors.New("no port")
	}
	host, port = s[:i], s[i+1:]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
		if !strings.Contains(host, ":") {
			return "", "", errors.New("brackets are for IPv6 addresses")
		}
	} else if strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err == nil {
			return "", "", fmt.Errorf("an IPv6 address before a port stands in brackets; did you mean %q?", "["+ip.String()+"]:"+clip(port))
		}
	}
	return host, port, nil
}

func parsePath(path string) (Address, error) {
	clean := filepath.Clean(path)
	switch {
	case !strings.HasPrefix(path, "/"):
		return Address{}, fmt.Errorf("a socket's path is absolute: %q", "unix:/path")
	case strings.HasSuffix(path, "/") || clean == "/":
		return Address{}, errors.New("a socket's path names a file, not a folder")
	case len(path) > longestPath:
		return Address{}, fmt.Errorf("a socket's path has at most %d bytes, this one has %d", longestPath, len(path))
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return Address{}, errors.New("a socket's path has no control characters")
	}
	return Address{Unix: clean}, nil
}

// isHostName reports whether s could be looked up, rather than being an
// address with a slip in it.
func isHostName(s string) bool {
	letters := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
			letters = true
		case r >= '0' && r <= '9', r == '-', r == '.':
		default:
			return false
		}
	}
	return letters
}

// clip keeps what a message quotes to a length that can be read.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	for i := range s {
		if i > most {
			return s[:i] + "..."
		}
	}
	return s
}
