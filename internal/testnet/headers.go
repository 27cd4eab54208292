package testnet

import (
	"net/netip"
	"slices"
	"strings"
)

// signatureV2 begins a PROXY header of version 2.
const signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"

// HeaderV2 is a PROXY header of version 2: version and command, family and
// protocol, and what follows their length.
func HeaderV2(command, family byte, body ...byte) []byte {
	b := append([]byte(signatureV2), command, family, byte(len(body)>>8), byte(len(body)))
	return append(b, body...)
}

// MalformedHeaders are PROXY headers that break each a rule of the specification
// (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt), by what is wrong
// with them. They are whole: nothing that might follow would mend them.
func MalformedHeaders() map[string][]byte {
	const crc, uniqueID, ssl = 0x03, 0x05, 0x20 // TLVs
	four := []byte{192, 0, 2, 7, 198, 51, 100, 9, 0x12, 0x34, 0x01, 0xbb}
	six := slices.Concat(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::9").AsSlice(), four[8:])
	paths := make([]byte, 2*108)
	line := func(s string) []byte { return []byte("PROXY " + s + "\r\n") }
	lieAbout := func(tlvs ...byte) []byte { return HeaderV2(0x21, 0x11, slices.Concat(four, tlvs)...) }
	return map[string][]byte{
		"1, no family":               line(""),
		"1, another family":          line("TCP5 1.2.3.4 1.2.3.4 1 2"),
		"1, small letters":           line("tcp4 1.2.3.4 1.2.3.4 1 2"),
		"1, UDP4":                    line("UDP4 1.2.3.4 1.2.3.4 1 2"),
		"1, two spaces":              line("TCP4  1.2.3.4 1.2.3.4 1 2"),
		"1, a tab":                   line("TCP4\t1.2.3.4 1.2.3.4 1 2"),
		"1, a space at the end":      line("TCP4 1.2.3.4 1.2.3.4 1 2 "),
		"1, one port":                line("TCP4 1.2.3.4 1.2.3.4 1"),
		"1, three ports":             line("TCP4 1.2.3.4 1.2.3.4 1 2 3"),
		"1, no port":                 line("TCP4 1.2.3.4 1.2.3.4"),
		"1, one address":             line("TCP4 1.2.3.4"),
		"1, port 65536":              line("TCP4 1.2.3.4 1.2.3.4 65536 2"),
		"1, port -1":                 line("TCP4 1.2.3.4 1.2.3.4 -1 2"),
		"1, port +1":                 line("TCP4 1.2.3.4 1.2.3.4 +1 2"),
		"1, port 080":                line("TCP4 1.2.3.4 1.2.3.4 080 2"),
		"1, port 0x50":               line("TCP4 1.2.3.4 1.2.3.4 0x50 2"),
		"1, a large port":            line("TCP4 1.2.3.4 1.2.3.4 99999999999999999999 2"),
		"1, zeroes in an address":    line("TCP4 01.2.3.4 1.2.3.4 1 2"),
		"1, half an address":         line("TCP4 1.2.3 1.2.3.4 1 2"),
		"1, 256":                     line("TCP4 256.2.3.4 1.2.3.4 1 2"),
		"1, IPv6 in TCP4":            line("TCP4 ::1 ::1 1 2"),
		"1, IPv4 in TCP6":            line("TCP6 1.2.3.4 1.2.3.4 1 2"),
		"1, mixed":                   line("TCP6 ::1 1.2.3.4 1 2"),
		"1, a zone":                  line("TCP6 fe80::1%eth0 ::1 1 2"),
		"1, brackets":                line("TCP6 [::1] [::1] 1 2"),
		"1, a name":                  line("TCP4 localhost localhost 1 2"),
		"1, UNKNOWNS":                line("UNKNOWNS"),
		"1, no CR":                   []byte("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"),
		"1, CR in the middle":        []byte("PROXY TCP4 1.2.3.4\r1.2.3.4 1 2\r\n"),
		"1, CR without LF":           []byte("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX"),
		"1, a NUL":                   []byte("PROXY TCP4 1.2.3.4\x001.2.3.4 1 2\r\n"),
		"1, too long":                []byte("PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n"),
		"1, without an end":          []byte("PROXY TCP4 " + strings.Repeat("1", 100)),
		"2, version 1":               HeaderV2(0x11, 0x11, four...),
		"2, version 3":               HeaderV2(0x31, 0x11, four...),
		"2, version 0":               HeaderV2(0x01, 0x11, four...),
		"2, command 2":               HeaderV2(0x22, 0x11, four...),
		"2, command 15":              HeaderV2(0x2f, 0x11, four...),
		"2, family 4":                HeaderV2(0x21, 0x41, four...),
		"2, protocol 3":              HeaderV2(0x21, 0x13, four...),
		"2, IPv4 without a protocol": HeaderV2(0x21, 0x10, four...),
		"2, LOCAL of no family":      HeaderV2(0x20, 0x41),
		"2, no room for IPv4":        HeaderV2(0x21, 0x11, four[:11]...),
		"2, no room for IPv6":        HeaderV2(0x21, 0x21, six[:35]...),
		"2, no room for paths":       HeaderV2(0x21, 0x31, paths[:215]...),
		"2, nothing for IPv4":        HeaderV2(0x21, 0x11),
		"2, one byte of a TLV":       lieAbout(1),
		"2, two bytes of a TLV":      lieAbout(1, 0),
		"2, a TLV that is too long":  lieAbout(1, 0, 5, 'a'),
		"2, the second is":           lieAbout(1, 0, 1, 'a', 2, 0xff, 0xff, 0),
		"2, a short checksum":        lieAbout(crc, 0, 3, 1, 2, 3),
		"2, a wrong checksum":        lieAbout(crc, 0, 4, 1, 2, 3, 4),
		"2, two checksums":           lieAbout(crc, 0, 4, 1, 2, 3, 4, crc, 0, 4, 1, 2, 3, 4),
		"2, a long unique ID":        lieAbout(append([]byte{uniqueID, 0, 129}, make([]byte, 129)...)...),
		"2, a short SSL":             lieAbout(ssl, 0, 4, 0, 0, 0, 0),
		"2, LOCAL, wrong checksum":   HeaderV2(0x20, 0, crc, 0, 4, 1, 2, 3, 4),
	}
}
