// Package greeting reads and writes PROXY headers, versions 1 and 2: what a proxy
// says before the first byte of a connection about whose it really is
// (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt). It knows no
// descriptor and allocates nothing.
//
// It does not use github.com/pires/go-proxyproto, which reads from a bufio.Reader:
// it would take bytes behind the header, cannot be asked again when more has come,
// allocates, refuses an UNSPEC and does not check CRC32c. The tests hold the two
// to saying the same.
package greeting

import (
	"net/netip"
	"unsafe"
)

// Verdict is what the first bytes of a connection are.
type Verdict uint8

// The verdicts.
const (
	More      Verdict = iota // the beginning of a header, or of anything
	Absent                   // not a header
	Malformed                // begins as a header and is none
	Found                    // a whole header
)

// Family is of which kind the addresses in a header are.
type Family uint8

// The families.
const (
	None Family = iota // those of the connection itself are meant
	TCP                // Source and Destination are set
	Unix               // Paths is
)

// Greeting is what a header says.
type Greeting struct {
	Version             uint8 // 1 or 2
	Local               bool  // nobody is being proxied: the sender itself has connected
	Family              Family
	Source, Destination netip.AddrPort // IPv4 in IPv6 is IPv4
	Paths               []byte         // two of 108 bytes: source, destination
	TLVs                []byte         // whole ones, as they came; version 2 only
	Size                int            // bytes of the header
}

// Longest is how long a header can be.
const Longest = prefixSize + 1<<16 - 1

const (
	longestLine = 107
	pathsSize   = 2 * 108
)

// Parse looks at the first bytes of a connection. Paths and TLVs of what it
// finds are parts of b. With More, need is how many bytes there must be in all before
// it is worth looking again.
func (g *Greeting) Parse(b []byte) (v Verdict, need int) {
	*g = Greeting{}
	switch {
	case len(b) == 0:
		return More, 1
	case begins(b, signature):
		v, need = g.parse2(b)
	case begins(b, "PROXY "):
		v, need = g.parse1(b)
	default:
		return Absent, 0
	}
	if v != Found {
		*g = Greeting{}
	}
	return v, need
}

// begins reports whether b begins as s does, as far as it goes.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

// parse1 reads a line (section 2.1 of the specification).
func (g *Greeting) parse1(b []byte) (Verdict, int) {
	end := -1
	for i, c := range b[:min(len(b), longestLine)] {
		if c == '\n' {
			end = i
			break
		}
		if i > 0 && b[i-1] == '\r' || c == 0 {
			return Malformed, 0
		}
	}
	switch {
	case end < 0 && len(b) >= longestLine:
		return Malformed, 0
	case end < 0:
		return More, len(b) + 1 // a line that is wrong can be of any length
	case b[end-1] != '\r':
		return Malformed, 0
	}
	g.Version, g.Size = 1, end+1
	kind, rest := word(text(b[len("PROXY "):end-1]), ' ')
	switch kind {
	case "UNKNOWN": // what follows is to be passed over
		return Found, 0
	case "TCP4", "TCP6":
		if g.line(kind == "TCP4", rest) {
			return Found, 0
		}
	}
	return Malformed, 0
}

// line reads "SOURCE DESTINATION PORT PORT".
func (g *Greeting) line(four bool, s string) bool {
	from, s := word(s, ' ')
	to, s := word(s, ' ')
	fromPort, toPort := word(s, ' ')
	var ok [4]bool
	var ip [2]netip.Addr
	var port [2]uint16
	ip[0], ok[0] = address(from, four)
	ip[1], ok[1] = address(to, four)
	port[0], ok[2] = number(fromPort)
	port[1], ok[3] = number(toPort)
	g.Family = TCP
	g.Source, g.Destination = netip.AddrPortFrom(ip[0], port[0]), netip.AddrPortFrom(ip[1], port[1])
	return ok == [4]bool{true, true, true, true}
}

func word(s string, until byte) (first, rest string) {
	for i := range len(s) {
		if s[i] == until {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func address(s string, four bool) (netip.Addr, bool) {
	if len(s) > 39+6 { // an error would be made of it, and be as long
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && a.Is4() == four && a.Zone() == ""
}

// number takes a port: digits, no zero in front, which might be octal.
func number(s string) (uint16, bool) {
	if s == "" || len(s) > 5 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return uint16(n), n < 1<<16
}

// text is b as a string, for as long as b does not change.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
