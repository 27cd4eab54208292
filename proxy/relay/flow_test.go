package relay

import (
	"testing"
	"unsafe"
)

func TestFlowIsEightBytes(t *testing.T) {
	if got := unsafe.Sizeof(Flow{}); got != 8 {
		t.Errorf("a Flow has %d bytes, want 8", got)
	}
}

// drive puts a Flow into a state by its verbs and is what the tables share.
func drive(verbs ...func(*Flow)) *Flow {
	f := new(Flow)
	f.Init()
	f.Turn(2)
	for _, v := range verbs {
		v(f)
	}
	return f
}

func filled(n int, proof bool) func(*Flow) { return func(f *Flow) { f.Filled(n, proof) } }
func drained(n int) func(*Flow)            { return func(f *Flow) { f.Drained(n) } }
func hopped(n int) func(*Flow)             { return func(f *Flow) { f.Hopped(n) } }
func turn(fills uint8) func(*Flow)         { return func(f *Flow) { f.Turn(fills) } }
func sinkBroke(f *Flow)                    { f.SinkBroke() }

var decisions = []struct {
	name  string
	verbs []func(*Flow)
	want  Op
}{
	{"new", nil, Wait},
	{"new, writable", []func(*Flow){(*Flow).Writable}, Wait},
	{"readable", []func(*Flow){(*Flow).Readable}, Fill},
	{"loaded", []func(*Flow){(*Flow).Readable, filled(9, false)}, Drain},
	{"loaded, full", []func(*Flow){(*Flow).Readable, filled(9, false), (*Flow).SinkFull}, Wait},
	{"drained in part", []func(*Flow){(*Flow).Readable, filled(9, true), drained(8)}, Drain},
	{"drained, more may be there", []func(*Flow){(*Flow).Readable, filled(9, false), drained(9)}, Fill},
	{"drained, proof", []func(*Flow){(*Flow).Readable, filled(9, true), drained(9)}, Wait},
	{"drained, proof, event", []func(*Flow){(*Flow).Readable, filled(9, true), (*Flow).Readable, drained(9)}, Fill},
	{"drained, proof, final", []func(*Flow){(*Flow).Final, filled(9, true), drained(9)}, Fill},
	{"drained, proof, marked", []func(*Flow){(*Flow).Marked, filled(9, true), drained(9)}, Fill},
	{"budget spent", []func(*Flow){(*Flow).Readable, filled(9, false), drained(9), filled(9, false), drained(9)}, Yield},
	{"budget spent, end", []func(*Flow){(*Flow).Final, turn(0), (*Flow).SourceEnded}, Shut},
	{"empty", []func(*Flow){(*Flow).Readable, (*Flow).SourceEmpty}, Wait},
	{"ended", []func(*Flow){(*Flow).Final, (*Flow).SourceEnded}, Shut},
	{"shut", []func(*Flow){(*Flow).Final, (*Flow).SourceEnded, (*Flow).ShutDone}, Done},
	{"broken", []func(*Flow){(*Flow).Final, (*Flow).SourceBroke}, Done},
	{"cut", []func(*Flow){(*Flow).Readable, filled(9, false), sinkBroke}, Done},
	{"at the mark", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent}, Hop},
	{"at the mark, full", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, (*Flow).SinkFull}, Wait},
	{"at the mark, byte to come", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, (*Flow).SourceEmpty}, Wait},
	{"at the mark, ended without the byte", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, (*Flow).SourceEnded}, Shut},
	{"hopped", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, hopped(0)}, Fill},
	{"hopped, which was the last of the budget", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, turn(1), hopped(0)}, Yield},
	{"hopped beyond the budget", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, turn(0), hopped(0)}, Yield},
	{"hopped, loaded", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, hopped(2)}, Drain},
	{"hopped, short fill", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, hopped(0), filled(2, true), drained(2), turn(1)}, Fill},
}

func TestNextFollowsFromTheState(t *testing.T) {
	for _, d := range decisions {
		t.Run(d.name, func(t *testing.T) {
			f := drive(d.verbs...)
			before := *f
			if got := f.Next(); got != d.want {
				t.Errorf("got %s, want %s", word(got), word(d.want))
			}
			if *f != before {
				t.Error("Next changed the Flow")
			}
		})
	}
}

func TestFlowTellsHowItEnded(t *testing.T) {
	type told struct{ over, ended, broken, cut, stalled, mark bool }
	for _, c := range []struct {
		name  string
		verbs []func(*Flow)
		want  told
	}{
		{"new", nil, told{}},
		{"stalled", []func(*Flow){(*Flow).Readable, filled(9, false), (*Flow).SinkFull}, told{stalled: true}},
		{"full, but nothing waits", []func(*Flow){(*Flow).SinkFull}, told{}},
		{"marked", []func(*Flow){(*Flow).Marked}, told{mark: true}},
		{"at the mark before its event", []func(*Flow){(*Flow).Readable, (*Flow).SourceUrgent}, told{mark: true}},
		{"hopped", []func(*Flow){(*Flow).Marked, (*Flow).SourceUrgent, hopped(0)}, told{mark: true}},
		{"empty behind the mark", []func(*Flow){(*Flow).Marked, hopped(0), (*Flow).SourceEmpty}, told{}},
		{"ended, not shut", []func(*Flow){(*Flow).SourceEnded}, told{ended: true}},
		{"shut", []func(*Flow){(*Flow).SourceEnded, (*Flow).ShutDone}, told{ended: true, over: true}},
		{"broken", []func(*Flow){(*Flow).SourceBroke}, told{broken: true, over: true}},
		{"cut", []func(*Flow){filled(9, false), sinkBroke}, told{cut: true, over: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := drive(c.verbs...)
			got := told{f.Over(), f.Ended(), f.Broken(), f.Cut(), f.Stalled(), f.AtMark()}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestEndIsCertainOnlyWithoutMark(t *testing.T) {
	for _, c := range []struct {
		name  string
		verbs []func(*Flow)
		want  bool
	}{
		{"no event of an end", []func(*Flow){(*Flow).Readable}, false},
		{"an end", []func(*Flow){(*Flow).Final}, true},
		{"an end and a mark", []func(*Flow){(*Flow).Marked, (*Flow).Final}, false},
		{"an end, hopped", []func(*Flow){(*Flow).Marked, (*Flow).Final, (*Flow).SourceUrgent, hopped(0)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := drive(c.verbs...).EndIsCertain(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestSinkBrokeTellsWhatIsLost(t *testing.T) {
	f := drive((*Flow).Readable, filled(1<<20, false), drained(1))
	if got, want := f.SinkBroke(), 1<<20-1; got != want {
		t.Errorf("got %d lost, want %d", got, want)
	}
	if got := f.Pending(); got != 0 {
		t.Errorf("got %d pending, want 0", got)
	}
}

// exchange is a small message through a Flow, as a shell would take it there.
func exchange(f *Flow) {
	f.Readable()
	f.Turn(4)
	for {
		switch f.Next() {
		case Fill:
			f.Filled(128, true)
		case Drain:
			f.Drained(128)
		default:
			return
		}
	}
}

func TestFlowAllocatesNothing(t *testing.T) {
	f := new(Flow)
	if got := testing.AllocsPerRun(1000, func() { f.Init(); exchange(f) }); got != 0 {
		t.Errorf("got %v allocations an exchange, want 0", got)
	}
}

func BenchmarkNext(b *testing.B) {
	flows := make([]Flow, len(decisions))
	for i, d := range decisions {
		flows[i] = *drive(d.verbs...)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if flows[i].Next() > Done {
			b.Fatal("no such operation")
		}
		if i++; i == len(flows) {
			i = 0
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	f := new(Flow)
	f.Init()
	b.ReportAllocs()
	for b.Loop() {
		exchange(f)
	}
}

// FuzzFlow lets the fuzzer roll the dice of the simulation.
func FuzzFlow(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("ping-pong"))
	for seed := range uint64(8) {
		roll, ops := chance(seed), make([]byte, 400)
		for i := range ops {
			ops[i] = byte(roll(256))
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		w := newWorld(spell(ops), new(Flow))
		if err := w.run(); err != nil {
			t.Fatalf("%v; its end:\n\t%s", err, w.tail(60))
		}
	})
}

// spell reads choices from ops, and chooses in turns when they are used up:
// whatever can happen then does, so that every world ends.
func spell(ops []byte) func(int) int {
	turn := 0
	return func(n int) int {
		if len(ops) > 0 {
			c := int(ops[0])
			ops = ops[1:]
			return c % n
		}
		turn++
		return turn % n
	}
}
