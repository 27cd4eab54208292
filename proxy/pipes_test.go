package proxy

import (
	"sync/atomic"
	"testing"

	"sluice/internal/sys"
)

// A pipe that was lent comes back once; one that held bytes never does.
func TestPipesNeverLendBytes(t *testing.T) {
	p, err := newPipes(1<<20, spares(100), make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	defer func(was bool) { privileged = was }(privileged)
	privileged = false
	var lent []int32
	for range largePipes + 10 {
		i, e := p.take()
		if e != 0 {
			t.Fatal(e)
		}
		sys.Write(p.at(i).w, []byte("left over"))
		lent = append(lent, i)
	}
	if small := p.at(lent[largePipes+1]); small.size >= 1<<20 || small.slots != small.size/pageSize {
		t.Errorf("pipe %d is %+v, want one of the kernel's default size", largePipes+1, *small)
	}
	for _, i := range lent {
		p.drop(i, 0)
	}
	if n := p.open.Load(); n != pipesKept || p.used.Load() != 0 {
		t.Errorf("%d open, %d lent; want %d and none", n, p.used.Load(), pipesKept)
	}
	for range pipesKept {
		i, _ := p.take()
		if n := sys.Unread(p.at(i).r); n != 0 {
			t.Errorf("a pipe is lent with %d bytes in it", n)
		}
		defer p.give(i)
	}
}

func TestPipesAreTrimmedToWhatIsKept(t *testing.T) {
	p, err := newPipes(1<<16, spares(100), make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var lent []int32
	for range 3 * pipesKept {
		i, _ := p.take()
		lent = append(lent, i)
	}
	for _, i := range lent {
		p.give(i)
	}
	if !p.spare() {
		t.Fatal("nothing to trim")
	}
	p.trim()
	if n := p.open.Load(); n != pipesKept || p.spare() {
		t.Errorf("%d pipes after trim, want %d", n, pipesKept)
	}
}

func spares(n int64) *atomic.Int64 {
	s := new(atomic.Int64)
	s.Store(n)
	return s
}

// Workers together open no more pipes than there are descriptors to spare, and
// one that is closed makes room for another.
func TestPipesStayWithinWhatCanBeSpared(t *testing.T) {
	left := spares(3)
	a, err := newPipes(1<<16, left, make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := newPipes(1<<16, left, make([]pipe, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	lent := map[*pipes][]int32{}
	for _, p := range []*pipes{a, b} {
		for range 2 * pipesKept {
			if i, e := p.take(); e == 0 {
				lent[p] = append(lent[p], i)
			}
		}
	}
	if len(lent[a]) != pipesKept+3 || len(lent[b]) != pipesKept {
		t.Fatalf("%d and %d pipes lent, want %d and %d", len(lent[a]), len(lent[b]), pipesKept+3, pipesKept)
	}
	a.drop(lent[a][0], 0)
	if _, e := b.take(); e != 0 {
		t.Error("a pipe that was closed makes no room")
	}
	for _, i := range lent[a][1:] {
		a.give(i)
	}
	a.trim()
	if left.Load() != 2 {
		t.Errorf("%d to spare after a trim, want 2", left.Load())
	}
}

// Pipes that come over take the place of empty ones, and none is ever open that
// stands in no table: whoever comes next would not find it, or find another.
func TestPipesThatComeOverAreNoMoreThanBefore(t *testing.T) {
	left := spares(2)
	table := make([]pipe, pipesKept+2)
	for range 5 {
		p, err := newPipes(1<<16, left, table)
		if err != nil {
			t.Fatal(err)
		}
		for range cap(table) {
			r, w, e := sys.Pipe()
			if e != 0 {
				t.Fatal(e)
			}
			p.adopt(pipe{r: r, w: w, size: 1 << 16, slots: 16}, 0)
		}
		if n := p.open.Load(); n != pipesKept+2 || left.Load() != 0 || &p.all[0] != &table[0] {
			t.Errorf("%d pipes are open and %d may be, want %d and none, in the table", n, left.Load(), pipesKept+2)
		}
		left.Add(1)
		if i, e := p.take(); e == 0 {
			t.Errorf("pipe %d is lent for which there is no room", i)
		}
		p.close()
		left.Store(2)
	}
}
