package guard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// world plays workers around a Line, one step of one of them at a time, in any
// order: between any two steps others may do anything. room is what a pool's loads
// say; every step is one look at it, or one change, or one call of the Line.
type world struct {
	r      *rand.Rand
	line   Line
	room   int
	todo   []func() // the next step of each who is in the middle of something
	served []Ticket
	gone   map[Ticket]bool
	past   map[Ticket]bool // served at some time
	here   map[Ticket]bool // joined, and on no way of its own
	most   int
	bug    string
}

func (w *world) then(step func()) { w.todo = append(w.todo, step) }

// take is a Pick.
func (w *world) take() bool {
	if w.room <= 0 {
		return false
	}
	w.room--
	return true
}

func (w *world) comes(source uint64, t Ticket) {
	if w.line.Crowded() {
		w.joins(source, t)
		return
	}
	w.then(func() {
		if w.take() {
			w.served = append(w.served, t)
			w.past[t] = true
			return
		}
		w.then(func() { w.joins(source, t) })
	})
}

func (w *world) joins(source uint64, t Ticket) {
	out, full := w.line.Join(source, t, w.most)
	if full {
		w.gone[out] = true
		if out != t {
			w.then(w.line.Done)
		}
	}
	w.here[t] = true
	if w.bug == "joins without a look" {
		return
	}
	w.then(w.look)
}

// look calls somebody if there is room.
func (w *world) look() {
	if w.line.Crowded() && w.room > 0 {
		w.then(w.call)
	}
}

func (w *world) call() {
	if t, ok := w.line.Next(); ok {
		w.then(func() { w.called(t) })
	}
}

func (w *world) called(t Ticket) {
	switch {
	case w.gone[t]:
		w.line.Done()
		if w.bug == "a call for somebody gone is lost" {
			return
		}
	case w.take():
		delete(w.here, t)
		w.past[t] = true
		w.served = append(w.served, t)
		w.line.Done()
		if w.bug == "who is served calls nobody" {
			return
		}
	default:
		w.then(func() { w.returns(t) })
		return
	}
	w.then(w.look)
}

// returns is what follows a Pick that found nothing.
func (w *world) returns(t Ticket) {
	if w.gone[t] {
		w.line.Done()
	} else {
		w.line.Return(uint64(t.Worker), t)
		w.here[t] = true
	}
	if w.bug != "returns without a look" {
		w.then(w.look)
	}
}

func (w *world) frees() {
	w.room++
	if w.bug == "frees without a look" {
		return
	}
	w.then(func() {
		if w.line.Crowded() {
			w.then(w.call)
		}
	})
}

func (w *world) leaves(t Ticket) {
	w.gone[t] = true
	w.line.Leave(t)
}

// play returns what went wrong.
func playLine(seed uint64, bug string) error {
	w := &world{r: rand.New(rand.NewPCG(seed, 13)), gone: map[Ticket]bool{}, here: map[Ticket]bool{}, past: map[Ticket]bool{}, bug: bug}
	capacity := w.r.IntN(4)
	w.room, w.most = capacity, 1+w.r.IntN(20)
	var waiting []Ticket
	sources := 1 + w.r.IntN(4)
	comers, ends, leavers := w.r.IntN(100), w.r.IntN(100), w.r.IntN(100) // a rescue by somebody later would hide a lost call
	for n := range 150 {
		switch k := w.r.IntN(10); {
		case k < 3 && n < comers:
			t := Ticket{Worker: uint32(w.r.IntN(sources)), Slot: uint32(n)}
			waiting = append(waiting, t)
			w.comes(uint64(t.Worker), t)
		case k == 3 && len(w.served) > 0 && n < ends:
			w.served = w.served[1:]
			w.frees()
		case k == 4 && len(waiting) > 0 && n < leavers:
			waiting = slices.DeleteFunc(waiting, func(t Ticket) bool { return w.gone[t] || w.past[t] })
			if len(waiting) == 0 {
				continue
			}
			if t := waiting[w.r.IntN(min(2, len(waiting)))]; w.here[t] { // the first are those that are called
				w.leaves(t)
			}
		case k == 5 && w.r.IntN(8) == 0 && n < ends: // another table: more room, or less
			now := w.r.IntN(5)
			w.room += now - capacity
			capacity = now
			w.then(w.look)
		default:
			w.step()
		}
		if n := w.line.queue.len(); n > w.most {
			return fmt.Errorf("%d wait, and %d may", n, w.most)
		}
		if w.line.Here() < 0 {
			return fmt.Errorf("%d are here", w.line.Here())
		}
	}
	for len(w.todo) > 0 {
		w.step()
	}
	if n := int64(w.line.queue.len()); w.line.Here() != n {
		return fmt.Errorf("%d are here, and %d wait", w.line.Here(), n)
	}
	if w.room > 0 && w.line.Here() > 0 {
		return fmt.Errorf("%d wait while there is room for %d", w.line.Here(), w.room)
	}
	return nil
}

func (w *world) step() {
	if len(w.todo) == 0 {
		return
	}
	i := w.r.IntN(len(w.todo))
	do := w.todo[i]
	w.todo = append(w.todo[:i], w.todo[i+1:]...)
	do()
}

func TestNobodyWaitsWhileThereIsRoom(t *testing.T) {
	for seed := range uint64(20_000) {
		if err := playLine(seed, ""); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// The simulation sees each look that is left out.
func TestTheSimulationSeesALostCall(t *testing.T) {
	for _, bug := range []string{"joins without a look", "returns without a look", "frees without a look", "a call for somebody gone is lost", "who is served calls nobody"} {
		seen := false
		for seed := uint64(0); seed < 20_000 && !seen; seed++ {
			seen = playLine(seed, bug) != nil
		}
		if !seen {
			t.Errorf("not seen: %s", bug)
		}
	}
}
