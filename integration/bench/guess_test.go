package main

import (
	"testing"
	"time"
)

// What the page says of the time it takes: less than 25 minutes, though one
// round of each work is repeated.
func TestWholeRunFitsInto25Minutes(t *testing.T) {
	o, err := parseOptions(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{o: o, peers: allPeers(o)}
	_, guess := b.steps(allWorks())
	o.rounds += o.repeats
	_, most := b.steps(allWorks())
	t.Logf("%v, at most %v", guess, most)
	if most > 25*time.Minute || guess < 10*time.Minute {
		t.Errorf("the whole run takes %v, and %v if every work is disturbed; want 10m to 25m", guess, most)
	}
}
