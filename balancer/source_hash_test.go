package balancer

import (
	"slices"
	"sort"
	"testing"
)

// The arcs are only a shortcut: a key's owner is the first point at or after
// it, and the first of all past the last.
func TestRingOwnerIsTheNextPoint(t *testing.T) {
	for name, all := range map[string][]Backend{"one": equal(1), "some": backends(1, 2, 3), "many": mixed(3000)} {
		p := picker(t, "source_hash", all).(*sourceHash)
		if !slices.IsSorted(p.points) {
			t.Fatalf("%s: the points are not in order", name)
		}
		keys := []uint64{0, 1, p.points[0], p.points[0] + 1, p.points[len(p.points)-1], p.points[len(p.points)-1] + 1, ^uint64(0)}
		for q := newRequests(14); len(keys) < 20_000; {
			keys = append(keys, q.rng.Uint64())
		}
		for _, x := range keys {
			i := sort.Search(len(p.points), func(i int) bool { return p.points[i] >= x })
			if got, want := p.owner(x), int(p.owners[i%len(p.points)]); got != want {
				t.Errorf("%s: key %#x has owner %d, want %d", name, x, got, want)
			}
		}
	}
}

func TestRingIsBounded(t *testing.T) {
	for name, all := range map[string][]Backend{
		"far apart": backends(maxWeight, 1), "many": mixed(10_000), "small": equal(3), "at the limit": equal(maxRingWeight),
	} {
		p := picker(t, "source_hash", all).(*sourceHash)
		owned := make([]int, len(all))
		for _, i := range p.owners {
			owned[i]++
		}
		if slices.Min(owned) == 0 {
			t.Errorf("%s: a backend has no point", name)
		}
		if n := len(p.points); n > pointsPerWeight*maxRingWeight+len(all) {
			t.Errorf("%s: %d points", name, n)
		}
	}
}
