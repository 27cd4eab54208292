package relay

import (
	"strings"
	"testing"
)

// Wrong Flows, each with one plausible mistake. The simulation is worth what
// it catches of them.
type (
	anyShortFillEmpties struct{ Flow }
	shortDrainIsFull    struct{ Flow }
	proofBeatsFinal     struct{ Flow }
	proofBeatsMark      struct{ Flow }
	hopForgetsMarks     struct{ Flow }
	shutsLoaded         struct{ Flow }
	resetIsEnd          struct{ Flow }
	resetOvertakes      struct{ Flow }
	fillsLoaded         struct{ Flow }
	deafWhileLoaded     struct{ Flow }
	yieldsForGood       struct{ Flow }
	noBudget            struct{ Flow }
	startsFull          struct{ Flow }
	keepsTrying         struct{ Flow }
	hopsStalled         struct{ Flow }
	hopSkipsRest        struct{ Flow }
	losesTheLost        struct{ Flow }
	finIsForgotten      struct{ Flow }
	latchlessHop        struct{ Flow }
	doubtsForGood       struct{ Flow }
)

func (f *doubtsForGood) Doubted() bool { return false }

func (f *anyShortFillEmpties) Filled(n int, proof bool) {
	f.Flow.Filled(n, proof)
	if n < 16 { // less than was asked for, though the pipe may have been the limit
		f.bits &^= readable
	}
}

func (f *shortDrainIsFull) Drained(n int) {
	f.Flow.Drained(n)
	if f.pending > 0 {
		f.bits &^= writable
	}
}

func (f *proofBeatsFinal) Filled(n int, proof bool) {
	f.Flow.Filled(n, proof)
	if proof && f.bits&marked == 0 {
		f.bits &^= readable
	}
}

func (f *proofBeatsMark) Filled(n int, proof bool) {
	f.Flow.Filled(n, proof)
	if proof && f.bits&final == 0 {
		f.bits &^= readable
	}
}

func (f *hopForgetsMarks) Hopped(n int) {
	f.Flow.Hopped(n)
	f.bits &^= marked
}

func (f *shutsLoaded) Next() Op {
	if f.bits&(final|over) == final && f.bits&writable == 0 {
		return Shut
	}
	return f.Flow.Next()
}

func (f *resetIsEnd) SourceBroke() { f.SourceEnded() }

func (f *resetOvertakes) Final() {
	f.Flow.Final()
	if f.bits&writable == 0 { // "nobody will take what is left"
		f.pending = 0
		f.SourceBroke()
	}
}

func (f *fillsLoaded) Next() Op {
	if op := f.Flow.Next(); op != Wait || f.bits&readable == 0 || f.fills == 0 {
		return op
	}
	return Fill
}

func (f *deafWhileLoaded) Readable() {
	if f.pending == 0 {
		f.Flow.Readable()
	}
}

func (f *yieldsForGood) Next() Op {
	if op := f.Flow.Next(); op != Yield {
		return op
	}
	return Wait
}

func (f *noBudget) Turn(uint8) { f.Flow.Turn(255) }

func (f *startsFull) Init() { *f = startsFull{} }

func (f *keepsTrying) SinkFull() {}

func (f *hopsStalled) Next() Op {
	if f.bits&(readable|urgent|over|ended) == readable|urgent {
		return Hop
	}
	return f.Flow.Next()
}

func (f *hopSkipsRest) Hopped(int) { f.Flow.Hopped(0) }

func (f *losesTheLost) SinkBroke() int {
	f.Flow.SinkBroke()
	return 0
}

func (f *finIsForgotten) SourceEnded() { f.SourceEmpty() }

func (f *latchlessHop) Hopped(n int) {
	f.Flow.Hopped(n)
	f.bits &^= readable
}

func TestSimulationCatchesWrongFlows(t *testing.T) {
	wrong := []struct {
		name  string
		make  func() machine
		shell func(*shell)
		fault string // what must be found, among others
	}{
		{"any short fill empties the source", func() machine { return new(anyShortFillEmpties) }, nil, "lost wakeup"},
		{"a doubt is never cleared up", func() machine { return new(doubtsForGood) }, nil, "lost wakeup"},
		{"a short drain fills the sink", func() machine { return new(shortDrainIsFull) }, nil, "lost wakeup"},
		{"proof is believed before an end", func() machine { return new(proofBeatsFinal) }, nil, "lost wakeup"},
		{"proof is believed before a mark", func() machine { return new(proofBeatsMark) }, nil, "lost wakeup"},
		{"a hop forgets the next mark", func() machine { return new(hopForgetsMarks) }, nil, "lost wakeup"},
		{"shuts with bytes in the pipe", func() machine { return new(shutsLoaded) }, nil, "shut before byte"},
		{"a reset is an end", func() machine { return new(resetIsEnd) }, nil, "has not ended"},
		{"a reset overtakes the pipe", func() machine { return new(resetOvertakes) }, nil, "broken before byte"},
		{"fills a loaded pipe", func() machine { return new(fillsLoaded) }, nil, "loaded pipe was filled"},
		{"is deaf while loaded", func() machine { return new(deafWhileLoaded) }, nil, "lost wakeup"},
		{"waits where it should yield", func() machine { return new(yieldsForGood) }, nil, "lost wakeup"},
		{"ignores the budget", func() machine { return new(noBudget) }, nil, "more fills"},
		{"starts with a full sink", func() machine { return new(startsFull) }, nil, "lost wakeup"},
		{"asks a full sink again and again", func() machine { return new(keepsTrying) }, nil, "no end"},
		{"hops into a full sink", func() machine { return new(hopsStalled) }, nil, "no end"},
		{"forgets what came with the hop", func() machine { return new(hopSkipsRest) }, nil, "pending is 0"},
		{"forgets what is lost", func() machine { return new(losesTheLost) }, nil, "are lost"},
		{"forgets the end", func() machine { return new(finIsForgotten) }, nil, "the source has ended"},
		{"waits after a hop", func() machine { return new(latchlessHop) }, nil, "lost wakeup"},
		{"shell: zero at a mark is the end", newFlow, func(s *shell) { s.markIsEnd = true }, "shut before byte"},
		{"shell: zero after a reset is the end", newFlow, func(s *shell) { s.resetIsEnd = true }, "has not ended"},
		{"shell: again is always empty", newFlow, func(s *shell) { s.againIsTrue = true }, "lost wakeup"},
	}
	for _, c := range wrong {
		t.Run(c.name, func(t *testing.T) {
			found := ""
			for seed := range *seeds {
				w := newWorld(chance(seed), c.make())
				if c.shell != nil {
					c.shell(&w.shell)
				}
				err := w.run()
				if err == nil {
					continue
				}
				if found == "" {
					found = err.Error()
				}
				if strings.Contains(err.Error(), c.fault) {
					t.Logf("caught at seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("not caught as %q in %d seeds; found %q", c.fault, *seeds, found)
		})
	}
}

func newFlow() machine { return new(Flow) }
