package config

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// place is where one key and its value stand in a TOML text, as byte offsets.
// The parser tells no positions of what it has understood, so a scanner walks
// the same text again. It is only given text that the parser has taken, and
// therefore decides nothing: it finds ends, and it need not see faults.
type place struct {
	key   int // where the key, or its part of a dotted one, begins
	value int // where the value begins; for a table its key
	end   int // past the value; for a table of more than one piece 0
	keys  map[string]*place
	items []*place
}

func (p *place) child(name string, at int) *place {
	if c := p.keys[name]; c != nil {
		return c
	}
	if p.keys == nil {
		p.keys = make(map[string]*place)
	}
	c := &place{key: at, value: at}
	p.keys[name] = c
	return c
}

// last is the table that a header or a dotted key means by p: of an array of
// tables it is the latest one.
func (p *place) last() *place {
	for len(p.items) > 0 {
		p = p.items[len(p.items)-1]
	}
	return p
}

// deepest is how far lists and tables may nest, and how many parts a key may
// have. The parser has no such bound: it takes time by the square of the parts
// and stack by the depth.
const deepest = 64

type scanner struct {
	text  string
	at    int
	depth int
	deep  int // where deepest is exceeded; -1: nowhere
}

// scan finds the place of everything in a valid TOML text without a byte order
// mark. In any text it finds where it nests too deep for the parser, or -1.
func scan(text string) (root *place, deep int) {
	s := &scanner{text: text, deep: -1}
	root = &place{}
	table := root
	for s.blank(); s.at < len(s.text); s.blank() {
		before := s.at
		if s.peek() == '[' {
			table = s.header(root)
		} else {
			s.pair(table)
		}
		if s.at == before {
			break
		}
	}
	return root, s.deep
}

// tooDeep ends the scan.
func (s *scanner) tooDeep(at int) {
	if s.deep < 0 {
		s.deep = at
	}
	s.at = len(s.text)
}

// header reads [a.b] or [[a.b]].
func (s *scanner) header(root *place) *place {
	s.at++
	many := s.peek() == '['
	if many {
		s.at++
	}
	p := root
	path := s.path()
	for i, part := range path {
		p = p.last().child(part.name, part.at)
		if i < len(path)-1 {
			continue
		}
		if many {
			item := &place{key: part.at, value: part.at}
			p.items = append(p.items, item)
			p = item
		} else {
			// It may have been known by a table inside it only.
			p.key, p.value = part.at, part.at
		}
	}
	for s.peek() == ']' {
		s.at++
	}
	return p
}

// pair reads key = value into table.
func (s *scanner) pair(table *place) {
	p := table
	for _, part := range s.path() {
		p = p.last().child(part.name, part.at)
	}
	s.space()
	if s.peek() == '=' {
		s.at++
	}
	s.space()
	s.into(p)
}

type part struct {
	name string
	at   int
}

// path reads the parts of a dotted key.
func (s *scanner) path() []part {
	var parts []part
	for {
		s.space()
		begin := s.at
		var name string
		switch s.peek() {
		case '"', '\'':
			s.quoted()
			name = unquote(s.text[begin:s.at])
		default:
			for s.at < len(s.text) && !strings.ContainsRune(" \t\r\n.=]#", rune(s.text[s.at])) {
				s.at++
			}
			name = s.text[begin:s.at]
		}
		parts = append(parts, part{name, begin})
		s.space()
		if s.peek() != '.' {
			return parts
		}
		if len(parts) == deepest {
			s.tooDeep(parts[0].at)
			return parts
		}
		s.at++
	}
}

// into reads a value and writes its place into p.
func (s *scanner) into(p *place) {
	p.value = s.at
	if s.depth++; s.depth > deepest {
		s.tooDeep(s.at)
	}
	defer func() { s.depth-- }()
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.at++
		for s.more(']') {
			item := &place{key: s.at}
			p.items = append(p.items, item)
			if s.into(item); s.at == item.value {
				break
			}
		}
	case '{':
		s.at++
		for s.more('}') {
			before := s.at
			if s.pair(p); s.at == before {
				break
			}
		}
	default:
		for s.at < len(s.text) && !strings.ContainsRune(",]}#\r\n", rune(s.text[s.at])) {
			s.at++
		}
		p.end = s.at - len(s.text[p.value:s.at]) + len(strings.TrimRight(s.text[p.value:s.at], " \t"))
		return
	}
	p.end = s.at
}

// more goes to the next item of a list or an inline table, or past its end.
func (s *scanner) more(closing byte) bool {
	for s.blank(); s.peek() == ','; s.blank() {
		s.at++
	}
	if s.peek() == closing {
		s.at++
		return false
	}
	return s.at < len(s.text)
}

// quoted goes past a string of any of the four kinds.
func (s *scanner) quoted() {
	q := s.text[s.at]
	rest := s.text[s.at:]
	long := strings.Repeat(string(q), 3)
	if !strings.HasPrefix(rest, long) {
		s.at++
		s.until(q, 1)
		return
	}
	s.at += 3
	s.until(q, 3)
	// Up to two quotes more belong to the string.
	for range 2 {
		if s.peek() == q {
			s.at++
		}
	}
}

// until goes past n of q in a row that no backslash escapes.
func (s *scanner) until(q byte, n int) {
	row := 0
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == q:
			if row++; row == n {
				return
			}
			continue
		case c == '\\' && q == '"':
			s.at++
		}
		row = 0
	}
	s.at = min(s.at, len(s.text))
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t') {
		s.at++
	}
}

// blank goes past spaces, line ends and comments.
func (s *scanner) blank() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		case '#':
			for s.at < len(s.text) && s.text[s.at] != '\n' {
				s.at++
			}
		default:
			return
		}
	}
}

// unquote lets the parser itself say what a quoted key means.
func unquote(quoted string) string {
	var v struct{ K string }
	if _, err := toml.Decode("K = "+quoted, &v); err != nil {
		return quoted
	}
	return v.K
}
