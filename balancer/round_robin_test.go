package balancer

import (
	"math"
	"slices"
	"testing"
)

// places is one round from its beginning, by backend.
func places(all []Backend) (*roundRobin, []int) {
	p := roundRobinFrom(newRoster(all), 0)
	round := make([]int, p.round)
	for i := range round {
		round[i] = p.at(uint64(i))
	}
	return p, round
}

func TestSmallRoundIsSmooth(t *testing.T) {
	for _, test := range []struct {
		name    string
		weights []int
		want    []int
	}{
		{"one heavy", []int{5, 1, 1}, []int{0, 0, 1, 0, 2, 0, 0}},
		{"divided by gcd", []int{500, 100, 100}, []int{0, 0, 1, 0, 2, 0, 0}},
		{"equal", []int{7, 7, 7}, []int{0, 1, 2}},
		{"two and three", []int{2, 3}, []int{1, 0, 1, 0, 1}},
	} {
		if _, got := places(backends(test.weights...)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// A round too large for a table has as little memory as there are backends,
// gives each its exact share, and comes back to each at even distances.
func TestLargeRoundIsExactAndSpread(t *testing.T) {
	for name, all := range map[string][]Backend{
		"two":       backends(maxWeight, maxWeight-1),
		"far apart": backends(maxWeight, 1, 4000),
		"no golden": backends(maxWeight, 65533), // the golden section shares 28 with the sum
		"many":      mixed(60),
	} {
		p, round := places(all)
		if p.order != nil || len(p.ends) != len(all) {
			t.Fatalf("%s: the round has a table", name)
		}
		counts, last, widest := make([]int, len(all)), make([]int, len(all)), make([]int, len(all))
		for place, i := range slices.Concat(round, round) {
			if counts[i]++; counts[i] > 1 {
				widest[i] = max(widest[i], place-last[i])
			}
			last[i] = place
		}
		for i, b := range all {
			if counts[i] != 2*b.Weight {
				t.Errorf("%s: weight %d has %d places in two rounds", name, b.Weight, counts[i])
			}
			if even := math.Ceil(float64(sum(all)) / float64(b.Weight)); float64(widest[i]) > 3*even {
				t.Errorf("%s: weight %d waits for %d places, even would be %.0f", name, b.Weight, widest[i], even)
			}
		}
	}
}

// The sum of the largest weights of many backends is past any table and still
// one round.
func TestRoundOfTheLargestPool(t *testing.T) {
	all := mixed(10_000)
	p := roundRobinFrom(newRoster(all), 0)
	if p.order != nil || len(p.ends) != len(all) || p.round != uint64(sum(all)) || gcd(p.step, p.round) != 1 {
		t.Errorf("round %d of %d, step %d, %d places in a table", p.round, sum(all), p.step, len(p.order))
	}
	hits := make(map[int]bool)
	for place := range uint64(10) {
		hits[p.at(place)] = true
		p.at(math.MaxUint64 - place)
	}
	if len(hits) != 10 {
		t.Errorf("10 places in a row are %d backends", len(hits))
	}
}

func TestRoundBeginsAnywhere(t *testing.T) {
	all := equal(1000)
	seen := make(map[int]bool)
	for range 20 {
		seen[picker(t, "round_robin", all).Pick(&Request{})] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 new pools begin at %d backends of 1000", len(seen))
	}
}
