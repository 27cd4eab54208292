// Package hello reads what a TLS client says first, as far as it has come: the
// name of the server that it wants and the protocols that it offers. It imports
// nothing, allocates nothing and decrypts nothing; it is given the first bytes of
// a connection again and again, each time more of them.
//
//	record (RFC 8446, 5.1)           handshake message (4)     ClientHello (4.1.2)
//	22 | 3 x | length | fragment --> 1 | length of 24 bits --> version random session
//	22 | 3 x | length | fragment --'                           ciphers compressions
//	...                                                        extensions: 0 server_name (RFC 6066, 3)
//	                                                                      16 alpn (RFC 7301, 3.1)
//
// A message may be divided over records anywhere, and records over segments.
// With Encrypted Client Hello the name is the outer one, since the inner one is
// not for us to read.
package hello

// Most is how many bytes are looked at: a ClientHello that with its record headers
// is longer counts as none.
const Most = 64 << 10

// Verdict is what the bytes are.
type Verdict uint8

// The verdicts.
const (
	More   Verdict = iota // the beginning of a ClientHello, or of anything
	NotTLS                // not the beginning of a ClientHello that can be understood
	Found                 // a whole ClientHello
)

// Hello is what a ClientHello says. It is plain data, meant to be used again.
type Hello struct {
	name     [255]byte
	nameSize uint8
	alpn     [ALPNMost]byte
	alpnSize uint8
}

// ALPNMost is how many bytes of the list of protocols are kept, the length of each
// included; what does not fit is left out, whole. Browsers send 12.
const ALPNMost = 128

// Name is the server name in lower case, without a dot at its end; "" if there is
// none, or what there is cannot be a name, as an IP address cannot (RFC 6066, 3).
// It is valid until the next Parse.
func (h *Hello) Name() []byte { return h.name[:h.nameSize] }

// ALPN is the list of protocols as it is sent: each after a byte that has its
// length. It is valid until the next Parse.
func (h *Hello) ALPN() []byte { return h.alpn[:h.alpnSize] }

// Parse looks at the first bytes of a connection. With More, need is how many
// bytes there must be in all before it is worth looking again.
func (h *Hello) Parse(b []byte) (v Verdict, need int) {
	h.nameSize, h.alpnSize = 0, 0
	r := reader{b: b[:min(len(b), Most)]}
	r.message()
	switch {
	case r.bad || r.short && r.need > Most:
		h.nameSize, h.alpnSize = 0, 0
		return NotTLS, 0
	case r.short:
		return More, max(r.need, len(b)+1)
	}
	if !h.body(&r) || r.short {
		// What the length of the message promises and the bytes do not keep.
		h.nameSize, h.alpnSize = 0, 0
		return NotTLS, 0
	}
	return Found, 0
}

// body reads a ClientHello that is there whole. It reports false if it is malformed.
func (h *Hello) body(r *reader) bool {
	r.skip(2 + 32) // version, random
	r.skip(r.byte())
	ciphers := r.two()
	r.skip(ciphers)
	r.skip(r.byte()) // compressions
	if r.bad || ciphers%2 != 0 {
		return false
	}
	if r.left == 0 { // TLS 1.2 and before: none need be
		return true
	}
	extensions := r.two()
	if extensions != r.left {
		return false
	}
	for r.left > 0 && !r.bad {
		kind, size := r.two(), r.two()
		if size > r.left {
			return false
		}
		after := r.left - size
		switch kind {
		case 0:
			h.serverName(r, after)
		case 16:
			h.protocols(r, after)
		}
		if r.left < after {
			return false
		}
		r.skip(r.left - after)
	}
	return !r.bad
}

// serverName reads a list of names, of which only one may be that of a host. The
// extension ends where after bytes are left.
func (h *Hello) serverName(r *reader, after int) {
	if size := r.two(); r.left-after != size {
		r.bad = true
	}
	for r.left > after && !r.bad {
		kind, size := r.byte(), r.two()
		if size > r.left-after {
			r.bad = true
			return
		}
		if kind != 0 || size > len(h.name) || h.nameSize > 0 {
			r.skip(size)
			continue
		}
		for i := range size {
			h.name[i] = lower(byte(r.byte()))
		}
		if size > 0 && h.name[size-1] == '.' {
			size--
		}
		if isName(h.name[:size]) {
			h.nameSize = uint8(size)
		}
	}
}

// protocols keeps the list of protocols.
func (h *Hello) protocols(r *reader, after int) {
	if size := r.two(); r.left-after != size {
		r.bad = true
	}
	for r.left > after && !r.bad {
		size := r.byte()
		if size == 0 || size > r.left-after {
			r.bad = true
			return
		}
		if int(h.alpnSize)+1+size > len(h.alpn) {
			r.skip(size)
			continue
		}
		h.alpn[h.alpnSize] = byte(size)
		for i := range size {
			h.alpn[int(h.alpnSize)+1+i] = byte(r.byte())
		}
		h.alpnSize += uint8(1 + size)
	}
}

// Offers reports whether a list of protocols has one.
func Offers(list []byte, protocol string) bool {
	for len(list) > 0 {
		n := int(list[0])
		if 1+n > len(list) {
			return false
		}
		if string(list[1:1+n]) == protocol {
			return true
		}
		list = list[1+n:]
	}
	return false
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// isName reports whether b can be the name of a host: what is logged and routed
// by should be harmless. What ends in a number is an address (as for browsers,
// WHATWG URL, 3.5), which is no name (RFC 6066, 3).
func isName(b []byte) bool {
	number := false // the label so far is digits
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z' || c == '_' || c == '-':
			number = false
		case '0' <= c && c <= '9':
			number = number || i == 0 || b[i-1] == '.'
		case c == '.' && i > 0 && b[i-1] != '.':
		default:
			return false
		}
	}
	return len(b) > 0 && b[len(b)-1] != '.' && !number
}
