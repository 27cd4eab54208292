package main

import "time"

// What one step takes beside its window, as measured on two CPUs.
const (
	aboutOpening = 50 * time.Millisecond  // to open the connections of a run
	aboutStart   = 200 * time.Millisecond // to start a peer and to stop it
	aboutIdle    = 4 * time.Second        // to open and close thousands of connections
)

// steps is how many steps of progress the works are, and guess how long they
// will take if no round is repeated.
func (b *bench) steps(works []Work) (n int, guess time.Duration) {
	sites := map[string]bool{}
	run := b.o.warm + b.o.window + settle + aboutOpening
	for _, w := range works {
		sites[w.site] = true
		for _, p := range b.peers {
			switch {
			case !b.takesPart(w, p):
			case w.hold > 0:
				n++
				guess += aboutStart + aboutIdle + 2*idleFor + 2*stillFor + 4*idleRest
			default:
				n += b.rounds(w)
				guess += aboutStart + time.Duration(b.rounds(w))*run
				if w.calls && b.o.calls && p.plan != nil {
					n++
					guess += aboutStart + run
				}
			}
		}
	}
	checks := len(sites) * len(b.peers)
	return n + checks, guess + time.Duration(checks)*aboutStart
}
