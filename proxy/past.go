package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"sluice/internal/sys"
)

// Past is the book of a process that is gone, open for reading. It may have been
// written by another version of the program, and cut off at any moment.
type Past struct {
	memory []byte
	layout *layout
	forms  map[string]*form
	roll   *roll
}

// OpenPast maps a book and checks it. An error says what is wrong with it. fd stays
// the caller's.
func OpenPast(fd int) (*Past, error) {
	n, err := sys.FileSize(fd)
	if err != nil {
		return nil, err
	}
	if n < frontSize {
		return nil, fmt.Errorf("the book has %d bytes, fewer than its front", n)
	}
	memory, err := sys.MapFile(fd, 0, n, false)
	if err != nil {
		return nil, err
	}
	p := &Past{memory: memory}
	if err := p.check(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Past) head() *header { return (*header)(unsafe.Pointer(&p.memory[0])) }

func (p *Past) check() error {
	h := p.head()
	if string(h.magic[:len(bookMagic)]) != bookMagic {
		return errors.New("this is not a book")
	}
	if h.complete.Load() != 1 {
		return errors.New("the book was never completed")
	}
	if h.layout == 0 || h.layout > directoryAt-layoutAt {
		return fmt.Errorf("the layout of the book cannot have %d bytes", h.layout)
	}
	p.layout = &layout{}
	if err := json.Unmarshal(p.memory[layoutAt:layoutAt+int(h.layout)], p.layout); err != nil {
		return fmt.Errorf("the layout of the book: %w", err)
	}
	if n := p.layout.size(); p.layout.Shape.Workers < 0 || n < frontSize || n > len(p.memory) {
		return fmt.Errorf("the book has %d bytes, and should have %d", len(p.memory), n)
	}
	p.forms = map[string]*form{}
	ours := theForm()
	for _, t := range sectionTypes {
		p.forms[t.name] = newForm(ours, p.layout, t.name)
	}
	p.roll = &roll{}
	if text := blobIn(p.memory, rollName); text == nil {
		return errors.New("the book has no names")
	} else if err := json.Unmarshal(text, p.roll); err != nil {
		return fmt.Errorf("the names in the book: %w", err)
	}
	return nil
}

// Blob is what SaveBlob stored last under a name, nil if nothing. It stays valid
// until Close.
func (p *Past) Blob(name string) []byte { return blobIn(p.memory, name) }

// Close gives the memory back.
func (p *Past) Close() {
	if p.memory != nil {
		sys.Unmap(p.memory)
		p.memory = nil
	}
}

// form is how an element of a section is read that another version may have
// written: which bytes go where, and which values mean what.
type form struct {
	section string
	size    int  // bytes of their element
	same    bool // it is as ours
	moves   []move
	named   []naming
	missing []string // fields of ours that they have not
	unknown []string // fields of theirs that we have not
}

type move struct{ from, to, n int }

// naming translates a field whose values, or bits, have names.
type naming struct {
	at, n int
	bits  bool
	means []int // theirs: ours, -1 for what we do not know
}

// namings are the fields whose values have names: of which section, and by which
// list.
var namings = []struct {
	section, field, names string
	bits                  bool
}{
	{"conn", "phase", "phase", false}, {"conn", "flags", "flags", true}, {"conn", "cause", "cause", false},
	{"conn", "up.Flow.bits", "bits", true}, {"conn", "down.Flow.bits", "bits", true},
	{"card", "stage", "stage", false},
	{"told", "kind", "told", false}, {"told", "notice", "notice", false}, {"told", "cause", "cause", false},
}

func newForm(ours, theirs *layout, section string) *form {
	f := &form{section: section, size: theirs.Sizes[section], same: true}
	mine, old := ours.Fields[section], theirs.Fields[section]
	for name, to := range mine {
		from, ok := old[name]
		switch {
		case !ok || from.Size != to.Size || from.At < 0 || from.At+from.Size > f.size:
			f.missing = append(f.missing, section+"."+name)
			f.same = false
		default:
			f.moves = append(f.moves, move{from.At, to.At, to.Size})
			f.same = f.same && from == to
		}
	}
	for name := range old {
		if _, ok := mine[name]; !ok {
			f.unknown = append(f.unknown, section+"."+name)
			f.same = false
		}
	}
	for _, x := range namings {
		if x.section == section && !slices.Equal(ours.Names[x.names], theirs.Names[x.names]) {
			f.same = false
			f.named = append(f.named, naming{mine[x.field].At, mine[x.field].Size, x.bits, translate(theirs.Names[x.names], ours.Names[x.names])})
		}
	}
	slices.Sort(f.missing)
	slices.Sort(f.unknown)
	f.same = f.same && f.size == ours.Sizes[section] && ours.Version == theirs.Version
	return f
}

func translate(theirs, ours []string) []int {
	means := make([]int, len(theirs))
	for i, name := range theirs {
		means[i] = slices.Index(ours, name)
	}
	return means
}

// read makes an element of ours of one of theirs. It reports false if a value has
// a meaning that we do not know.
func (f *form) read(from, to []byte) bool {
	if f.same {
		copy(to, from)
		return true
	}
	for _, m := range f.moves {
		copy(to[m.to:m.to+m.n], from[m.from:])
	}
	known := true
	for _, n := range f.named {
		known = n.apply(to[n.at:n.at+n.n]) && known
	}
	return known
}

// apply translates one value in place.
func (n naming) apply(b []byte) bool {
	v := 0
	for i := range b {
		v |= int(b[i]) << (8 * i)
	}
	now, known := 0, true
	if n.bits {
		for bit := range 8 * len(b) {
			if v>>bit&1 == 0 {
				continue
			}
			if bit >= len(n.means) || n.means[bit] < 0 {
				known = false
				continue
			}
			now |= 1 << n.means[bit]
		}
	} else if v >= len(n.means) || n.means[v] < 0 {
		known = false
	} else {
		now = n.means[v]
	}
	for i := range b {
		b[i] = byte(now >> (8 * i))
	}
	return known
}

// essential is what a conn cannot do without; of cards, one that has a card.
var essential = []string{"conn.generation", "conn.client", "conn.backend", "conn.listener", "conn.backendID", "conn.phase", "conn.flags",
	"conn.up.Flow.bits", "conn.up.Flow.pending", "conn.up.carrier", "conn.up.moved",
	"conn.down.Flow.bits", "conn.down.Flow.pending", "conn.down.carrier", "conn.down.moved",
	"pipe.r", "pipe.w",
	"card.taken", "card.sent", "card.stage", "card.family", "card.nameSize", "card.alpnSize", "card.tlvSize", "card.admitted",
	"card.source", "card.destination", "card.sourcePort", "card.destinationPort", "card.unique", "card.name", "card.alpn", "card.rest"}

// pipes is how many pipes were open.
func (p *Past) pipes() (n int) {
	for w := range p.layout.Shape.Workers {
		for i := range p.layout.Shape.Pipes {
			if it, known := pastOf[pipe](p, "pipe", w, i); known && it.r > 0 {
				n++
			}
		}
	}
	return n
}

// BookNeeds are the fields without which this program can carry no connection.
func BookNeeds() []string { return slices.Clone(essential) }

// BookKeeps are the fields that a book of this program has, in order.
func BookKeeps() (all []string) {
	for section, fields := range theForm().Fields {
		for path := range fields {
			all = append(all, section+"."+path)
		}
	}
	slices.Sort(all)
	return all
}

// lacks is what conns cannot do without and this book has not.
func (p *Past) lacks() (names []string) {
	if p.layout.Version != layoutVersion {
		return []string{fmt.Sprintf("version %d of the book", layoutVersion)}
	}
	return append(p.lacksOf("conn"), p.lacksOf("pipe")...)
}

// lacksOf is what is essential in a section and not there.
func (p *Past) lacksOf(section string) []string {
	return slices.DeleteFunc(slices.Clone(p.forms[section].missing), func(name string) bool { return !slices.Contains(essential, name) })
}

// differs says what of a book another version wrote was not understood.
func (p *Past) differs() (why []string) {
	for _, t := range sectionTypes {
		f := p.forms[t.name]
		if f.size == 0 {
			why = append(why, t.name+"s were not kept by the process before")
			continue
		}
		for _, name := range f.missing {
			why = append(why, name+" was not kept by the process before")
		}
		for _, name := range f.unknown {
			why = append(why, name+" is not known to this process")
		}
	}
	return why
}

// pastOf reads element i of a section of a worker.
func pastOf[T any](p *Past, section string, worker, i int) (v T, known bool) {
	f := p.forms[section]
	at := p.layout.at(section, worker) + i*f.size
	if at < 0 || at+f.size > len(p.memory) {
		return v, false
	}
	known = f.read(p.memory[at:at+f.size], unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)))
	return v, known
}
