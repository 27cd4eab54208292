package hello

const (
	recordHeader  = 5
	handshake     = 22
	clientHello   = 1
	longestRecord = 1<<14 + 256 // RFC 5246 allows more than RFC 8446
)

// reader goes through the handshake message in a row of records. It is a plain
// cursor: what a record ends in the middle of goes on in the next.
type reader struct {
	b      []byte
	at     int  // next byte of b
	record int  // bytes left of the record at is in
	left   int  // bytes left of the message
	short  bool // b ended; need says what is missing
	need   int  // bytes of b without which it is not worth looking again
	bad    bool // what cannot be a ClientHello was seen
}

// message begins: it reads the header of the message and sees to it that all of
// its records are there.
func (r *reader) message() {
	r.left = 4 // until its length is known
	if kind := r.byte(); r.ok() && kind != clientHello {
		r.bad = true
	}
	size := r.byte()<<16 | r.two()
	if !r.ok() {
		return
	}
	r.left = size
	if recordHeader+4+size > Most {
		r.bad = true
		return
	}
	all := *r
	all.skip(size)
	r.short, r.need, r.bad = all.short, all.need, all.bad
}

func (r *reader) ok() bool { return !r.bad && !r.short }

// next sees to it that the record has a byte left.
func (r *reader) next() bool {
	for r.record == 0 && r.ok() {
		head := r.b[r.at:]
		if !begins(head) {
			r.bad = true
			return false
		}
		if len(head) < recordHeader {
			r.lack(recordHeader - len(head) + r.left)
			return false
		}
		r.record = int(head[3])<<8 | int(head[4])
		r.at += recordHeader
		// An empty fragment of a handshake is forbidden (RFC 8446, 5.1).
		r.bad = r.record == 0 || r.record > longestRecord
	}
	return r.ok()
}

// begins reports whether the header of a record may begin so.
func begins(head []byte) bool {
	return (len(head) < 1 || head[0] == handshake) && (len(head) < 2 || head[1] == 3) && (len(head) < 3 || head[2] <= 4)
}

// lack says that b ended, n bytes too early at the least.
func (r *reader) lack(n int) { r.short, r.need = true, len(r.b)+n }

func (r *reader) byte() int {
	switch {
	case !r.ok():
		return 0
	case r.left == 0:
		r.bad = true
		return 0
	case !r.next():
		return 0
	case r.at == len(r.b):
		r.lack(r.left)
		return 0
	}
	c := r.b[r.at]
	r.at++
	r.record--
	r.left--
	return int(c)
}

func (r *reader) two() int { return r.byte()<<8 | r.byte() }

// skip passes over n bytes of the message.
func (r *reader) skip(n int) {
	if n > r.left {
		r.bad = true
	}
	for n > 0 && r.ok() && r.next() {
		step := min(n, r.record, len(r.b)-r.at)
		if step == 0 {
			r.lack(n)
			return
		}
		r.at += step
		r.record -= step
		r.left -= step
		n -= step
	}
}
