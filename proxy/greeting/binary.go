package greeting

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// signature begins a header of version 2 (section 2.2 of the specification).
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// prefixSize is what comes before the addresses: signature, version and command,
// family and protocol, length.
const prefixSize = len(signature) + 4

// The kinds of TLV that are looked at or made.
const (
	kindALPN      = 0x01
	kindAuthority = 0x02
	kindCRC       = 0x03
	kindNoop      = 0x04
	kindUniqueID  = 0x05
	kindSSL       = 0x20
)

// longestID is how long a unique ID may be.
const longestID = 128

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (g *Greeting) parse2(b []byte) (Verdict, int) {
	if len(b) < prefixSize {
		// What is wrong may show before all has come.
		if len(b) > 12 && b[12] != 0x20 && b[12] != 0x21 || len(b) > 13 && !defined(b[13]) {
			return Malformed, 0
		}
		return More, prefixSize
	}
	command, family := b[12], b[13]
	size := int(binary.BigEndian.Uint16(b[14:]))
	g.Version, g.Size, g.Local = 2, prefixSize+size, command == 0x20
	if command != 0x20 && command != 0x21 || !defined(family) {
		return Malformed, 0
	}
	addresses := addressesSize(family)
	if size < addresses && !g.Local {
		return Malformed, 0
	}
	if len(b) < g.Size {
		return More, g.Size
	}
	b = b[:g.Size]
	if size < addresses {
		return Found, 0 // of a LOCAL nothing but the length counts
	}
	tlvs := b[prefixSize+addresses:]
	at, ok := check(tlvs)
	switch {
	// Whoever has no addresses to say may fill the room for them with anything.
	case !ok && !g.Local && family != 0:
		return Malformed, 0
	case !ok:
		return Found, 0
	case at >= 0 && !summed(b, prefixSize+addresses+at):
		return Malformed, 0
	case g.Local:
		return Found, 0
	}
	g.TLVs = tlvs
	g.addresses(family, b[prefixSize:])
	return Found, 0
}

// defined reports whether the specification knows a family and protocol.
func defined(family byte) bool {
	switch family {
	case 0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32:
		return true
	}
	return false
}

func addressesSize(family byte) int {
	switch family >> 4 {
	case 1:
		return 2*4 + 2*2
	case 2:
		return 2*16 + 2*2
	case 3:
		return pathsSize
	}
	return 0
}

// addresses reads those of a stream. Those of a datagram cannot be meant for a
// connection, and are passed over.
func (g *Greeting) addresses(family byte, b []byte) {
	port := func(at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
	switch family {
	case 0x11:
		g.Family = TCP
		g.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), port(8))
		g.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), port(10))
	case 0x21:
		g.Family = TCP
		g.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), port(32))
		g.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[16:])).Unmap(), port(34))
	case 0x31:
		g.Family, g.Paths = Unix, b[:pathsSize]
	}
}

// check looks through TLVs. It returns where the value of the checksum is, -1 if
// there is none, and false if they are malformed.
func check(tlvs []byte) (sum int, ok bool) {
	sum = -1
	for rest := tlvs; len(rest) > 0; {
		kind, value, next := tlv(rest)
		if next == nil {
			return -1, false
		}
		switch kind {
		case kindCRC:
			if sum >= 0 || len(value) != 4 {
				return -1, false
			}
			sum = len(tlvs) - len(rest) + 3
		case kindUniqueID:
			if len(value) > longestID {
				return -1, false
			}
		case kindSSL:
			if len(value) < 5 {
				return -1, false
			}
		}
		rest = next
	}
	return sum, true
}

// tlv takes the first of TLVs; rest is nil if there is none that is whole.
func tlv(b []byte) (kind byte, value, rest []byte) {
	if len(b) < 3 {
		return 0, nil, nil
	}
	n := 3 + int(binary.BigEndian.Uint16(b[1:]))
	if n > len(b) {
		return 0, nil, nil
	}
	return b[0], b[3:n:n], b[n:len(b):len(b)]
}

// summed reports whether the checksum at a place of a header is right: it is over
// all of the header with zeroes in that place.
func summed(b []byte, at int) bool {
	return binary.BigEndian.Uint32(b[at:]) == sumOf(b, at)
}

func sumOf(b []byte, at int) uint32 {
	sum := crc32.Update(0, castagnoli, b[:at])
	sum = crc32.Update(sum, castagnoli, zeroes[:])
	return crc32.Update(sum, castagnoli, b[at+4:])
}

var zeroes [4]byte
