package greeting

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Extra is what a header of version 2 says beside the addresses. What came
// from the proxy before, it knows better: nothing is said twice.
type Extra struct {
	Received  []byte // TLVs to pass on
	Authority []byte // the server name that the client asked for; empty: none
	ALPN      []byte // the protocol; empty: none, or not known
	UniqueID  []byte // at most 128 bytes; empty: none
}

// AppendLine writes a header of version 1. Where there are no addresses it says
// UNKNOWN.
func (g *Greeting) AppendLine(b []byte) []byte {
	if g.Family != TCP {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	from, to := g.alike()
	b = append(b, "PROXY TCP4 "...)
	if from.Is6() {
		b[len(b)-2] = '6'
	}
	b = from.AppendTo(b)
	b = append(b, ' ')
	b = to.AppendTo(b)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(g.Source.Port()), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(g.Destination.Port()), 10)
	return append(b, "\r\n"...)
}

// alike is both addresses in the same family: IPv6 if they differ.
func (g *Greeting) alike() (from, to netip.Addr) {
	from, to = g.Source.Addr().Unmap().WithZone(""), g.Destination.Addr().Unmap().WithZone("")
	if from.Is4() != to.Is4() {
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	return from, to
}

// Append writes a header of version 2 with a checksum. Where there are no addresses
// it is a LOCAL one, as HAProxy makes it: of a proxied one without, HAProxy 2.6 takes the
// signature for a TLV, and refuses it. What is received must be
// whole; with it the header must not be longer than Longest.
func (g *Greeting) Append(b []byte, x *Extra) []byte {
	start := len(b)
	b = append(b, signature...)
	b = append(b, 0x21, 0, 0, 0)
	if g.Family == None {
		b[start+12] = 0x20
	}
	b = g.appendAddresses(b, start)
	for rest := x.Received; len(rest) > 0; {
		kind, value, next := tlv(rest)
		if kind != kindCRC && kind != kindNoop {
			b = appendTLV(b, kind, value)
		}
		rest = next
	}
	for _, own := range [...]struct {
		kind  byte
		value []byte
	}{{kindAuthority, x.Authority}, {kindALPN, x.ALPN}, {kindUniqueID, x.UniqueID}} {
		if len(own.value) > 0 && !has(x.Received, own.kind) {
			b = appendTLV(b, own.kind, own.value)
		}
	}
	b = appendTLV(b, kindCRC, zeroes[:])
	binary.BigEndian.PutUint16(b[start+14:], uint16(len(b)-start-prefixSize))
	at := len(b) - start - 4
	binary.BigEndian.PutUint32(b[start+at:], sumOf(b[start:], at))
	return b
}

func (g *Greeting) appendAddresses(b []byte, start int) []byte {
	switch g.Family {
	case Unix:
		b[start+13] = 0x31
		return append(b, g.Paths[:pathsSize]...)
	case None:
		return b
	}
	from, to := g.alike()
	if from.Is4() {
		b[start+13] = 0x11
		f, t := from.As4(), to.As4()
		b = append(append(b, f[:]...), t[:]...)
	} else {
		b[start+13] = 0x21
		f, t := from.As16(), to.As16()
		b = append(append(b, f[:]...), t[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, g.Source.Port())
	return binary.BigEndian.AppendUint16(b, g.Destination.Port())
}

func appendTLV(b []byte, kind byte, value []byte) []byte {
	b = append(b, kind, byte(len(value)>>8), byte(len(value)))
	return append(b, value...)
}

func has(tlvs []byte, kind byte) bool {
	for len(tlvs) > 0 {
		k, _, rest := tlv(tlvs)
		if k == kind && rest != nil {
			return true
		}
		tlvs = rest
	}
	return false
}

// Keep copies whole TLVs into room as far as they fit, but for those that are not
// passed on, and returns how many bytes that are. all is false if some did not
// fit.
func Keep(room, tlvs []byte) (n int, all bool) {
	all = true
	for len(tlvs) > 0 {
		kind, value, rest := tlv(tlvs)
		switch {
		case kind == kindCRC || kind == kindNoop || rest == nil:
		case n+3+len(value) > len(room):
			all = false
		default:
			n += copy(room[n:], tlvs[:3+len(value)])
		}
		tlvs = rest
	}
	return n, all
}
