package balancer

import (
	"math"
	"slices"
	"testing"
)

// The columns of the alias table add up to each backend's share, within what
// 64 bits can say.
func TestAliasTableIsExact(t *testing.T) {
	for name, all := range map[string][]Backend{
		"one": backends(9), "far apart": backends(maxWeight, 1), "equal": equal(7),
		"some": backends(3, 1, 4, 1, 5, 9, 2, 6), "many": mixed(10_000),
	} {
		p := picker(t, "random_two", all).(*randomTwo)
		got := make([]float64, len(all))
		for i, column := range p.table {
			keep := float64(column.keep) / (1 << 64) / float64(len(all))
			got[i] += keep
			got[column.other] += 1/float64(len(all)) - keep
		}
		for i, b := range all {
			if want := share(b, all); math.Abs(got[i]-want) > 1e-12 {
				t.Errorf("%s: backend %d of weight %d is drawn with %g, want %g", name, i, b.Weight, got[i], want)
			}
		}
	}
}

// Among two there is nothing to draw: the less loaded is taken each time, also
// if the other outweighs it so far that it alone is ever drawn.
func TestOfTwoTheLessLoadedIsTaken(t *testing.T) {
	for _, weights := range [][]int{{1, 1}, {maxWeight, 1}} {
		all := backends(weights...)
		all[0].Load.active.Store(int64(10 * weights[0]))
		all[1].Load.active.Store(1)
		p, q := picker(t, "random_two", all), newRequests(12)
		for range 1000 {
			r := q.next()
			if got := p.Pick(&r); got != 1 {
				t.Fatalf("weights %v: got %d, want 1", weights, got)
			}
			all[1].Load.Release()
		}
	}
}

// The point of the policy: 1000 held connections for each of 100 backends and
// the most loaded has a handful more. One choice alone would have about 80.
func TestTwoChoicesAreEnough(t *testing.T) {
	all := equal(100)
	p, q := picker(t, "random_two", all), newRequests(13)
	for range 100_000 {
		r := q.next()
		p.Pick(&r)
	}
	loads := make([]int64, len(all))
	for i, b := range all {
		loads[i] = b.Load.Active()
	}
	if most := slices.Max(loads); most > 1010 {
		t.Errorf("the most loaded has %d, want about 1000", most)
	}
}
