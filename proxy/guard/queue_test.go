package guard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// story plays words such as "A1 A2 B3 pop -A2" with room for so many; what comes out
// is what is popped, and !X for who is out.
func story(most int, words string) string {
	var q queue
	var told []string
	name := map[Ticket]string{}
	ticket := func(w string) (uint64, Ticket) {
		t := Ticket{Slot: uint32(w[1]), Worker: uint32(w[0])}
		name[t] = w
		return uint64(w[0]), t
	}
	for w := range strings.FieldsSeq(words) {
		switch {
		case w == "pop":
			if t, ok := q.pop(); ok {
				told = append(told, name[t])
			} else {
				told = append(told, "nobody")
			}
		case w[0] == '-':
			_, t := ticket(w[1:])
			if !q.remove(t) {
				told = append(told, "no "+w[1:])
			}
		case w[0] == '^':
			s, t := ticket(w[1:])
			q.push(s, t, most, true)
		default:
			s, t := ticket(w)
			if out, full := q.push(s, t, most, false); full {
				told = append(told, "!"+name[out])
			}
		}
	}
	return strings.Join(told, " ")
}

func TestQueueStories(t *testing.T) {
	for _, c := range []struct {
		name        string
		most        int
		words, want string
	}{
		{"first come, first served", 9, "A1 A2 A3 pop pop pop pop", "A1 A2 A3 nobody"},
		{"sources take turns", 9, "A1 A2 A3 B4 C5 pop pop pop pop pop", "A1 B4 C5 A2 A3"},
		{"who comes anew is last in the round", 9, "A1 A2 B3 pop C4 pop pop pop", "A1 B3 A2 C4"},
		{"who leaves frees the place", 2, "A1 A2 A3 -A1 A4 pop pop", "!A3 A2 A4"},
		{"one who is not there", 9, "A1 -A2 -A1 -A1 pop", "no A2 no A1 nobody"},
		{"one source cannot fill it", 3, "A1 A2 A3 B4 pop pop pop", "!A3 A1 B4 A2"},
		{"the last of the longest goes", 4, "A1 B2 B3 B4 A5 C6 pop pop pop pop", "!B4 !B3 A1 B2 C6 A5"},
		{"where all are equal nobody makes room", 3, "A1 B2 C3 D4 A5 pop", "!D4 !A5 A1"},
		{"who found nothing is first again", 1, "A1 B2 pop ^A1 pop pop", "!B2 A1 A1 nobody"},
		{"before other sources too", 9, "A1 B2 C3 pop ^A1 pop pop pop", "A1 A1 B2 C3"},
	} {
		if got := story(c.most, c.words); got != c.want {
			t.Errorf("%s: %s: got %s, want %s", c.name, c.words, got, c.want)
		}
	}
}

// plainQueue says the same in the plainest way.
type plainQueue struct {
	lines map[uint64][]Ticket
	turns []uint64
}

func (p *plainQueue) len() (n int) {
	for _, l := range p.lines {
		n += len(l)
	}
	return n
}

func (p *plainQueue) remove(t Ticket) bool {
	for s, l := range p.lines {
		if i := slices.Index(l, t); i >= 0 {
			if p.lines[s] = slices.Delete(l, i, i+1); len(p.lines[s]) == 0 {
				delete(p.lines, s)
				i := slices.Index(p.turns, s)
				p.turns = slices.Delete(p.turns, i, i+1)
			}
			return true
		}
	}
	return false
}

func (p *plainQueue) pop() (Ticket, bool) {
	if len(p.turns) == 0 {
		return Ticket{}, false
	}
	s := p.turns[0]
	t := p.lines[s][0]
	p.turns = append(p.turns[1:], s)
	p.remove(t)
	return t, true
}

func TestQueueAgreesWithAPlainOne(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		var q queue
		p := &plainQueue{lines: map[uint64][]Ticket{}}
		most, sources := 1+r.IntN(12), 1+r.IntN(8)
		var all []Ticket
		for step := range 500 {
			at := fmt.Sprintf("seed %d, step %d", seed, step)
			switch r.IntN(4) {
			case 0:
				got, ok := q.pop()
				want, is := p.pop()
				if got != want || ok != is {
					t.Fatalf("%s: popped %v, want %v", at, got, want)
				}
				if ok && r.IntN(4) == 0 { // found nothing
					s := uint64(got.Worker)
					q.push(s, got, most, true)
					i := slices.Index(p.turns, s)
					if i >= 0 {
						p.turns = append(slices.Clone(p.turns[i:]), p.turns[:i]...)
					} else {
						p.turns = append([]uint64{s}, p.turns...)
					}
					p.lines[s] = append([]Ticket{got}, p.lines[s]...)
				}
			case 1:
				if len(all) > 0 {
					x := all[r.IntN(len(all))]
					if got, want := q.remove(x), p.remove(x); got != want {
						t.Fatalf("%s: removed %v, want %v", at, got, want)
					}
				}
			default:
				s := uint64(r.IntN(sources))
				x := Ticket{Worker: uint32(s), Slot: uint32(step)}
				all = append(all, x)
				longest := 0
				for _, l := range p.lines {
					longest = max(longest, len(l))
				}
				out, full := q.push(s, x, most, false)
				switch {
				case full != (p.len() >= most):
					t.Fatalf("%s: full %v with %d of %d", at, full, p.len(), most)
				case full && out == x && len(p.lines[s])+1 < longest:
					t.Fatalf("%s: one of a source with %d is refused while another has %d", at, len(p.lines[s]), longest)
				case full && out != x:
					l := p.lines[uint64(out.Worker)]
					if len(l) != longest || l[len(l)-1] != out || len(p.lines[s])+1 >= longest {
						t.Fatalf("%s: %v is out, of a source with %d; the longest has %d", at, out, len(l), longest)
					}
				}
				if !full || out != x {
					if len(p.lines[s]) == 0 {
						p.turns = append(p.turns, s)
					}
					p.lines[s] = append(p.lines[s], x)
				}
				if full && out != x {
					p.remove(out)
				}
			}
			if q.len() != p.len() || len(q.sources) != len(p.lines) {
				t.Fatalf("%s: %d of %d sources, want %d of %d", at, q.len(), len(q.sources), p.len(), len(p.lines))
			}
		}
		for q.len() > 0 {
			q.pop()
		}
		if q.next != nil || len(q.sources) != 0 || q.longest != 0 {
			t.Fatalf("seed %d: something is left: %+v", seed, q)
		}
	}
}

func BenchmarkQueue(b *testing.B) {
	for _, sources := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("full, %d sources", sources), func(b *testing.B) {
			var q queue
			for i := range 10_000 {
				q.push(uint64(i%sources), Ticket{Slot: uint32(i)}, 10_000, false)
			}
			i := uint32(10_000)
			for b.Loop() {
				i++
				q.push(uint64(i)%uint64(sources+1), Ticket{Slot: i}, 10_000, false)
			}
		})
	}
}
