package balancer

import (
	"math"
	"testing"
)

// Any set of equals takes turns evenly, wherever in the pool they stand: a scan
// that merely starts at another place would favour whoever comes after a gap.
func TestTiesTakeTurns(t *testing.T) {
	for _, busy := range []int64{0, 3} {
		all := equal(10)
		for i, b := range all {
			b.Load.active.Store(100)
			if i == 0 || i == 1 || i == 7 {
				b.Load.active.Store(busy)
			}
		}
		p := picker(t, "least_connections", all)
		var got []int
		for range 9 {
			i := p.Pick(&Request{})
			all[i].Load.Release()
			got = append(got, i)
		}
		for turn := 0; turn < 9; turn += 3 {
			a, b, c := got[turn], got[turn+1], got[turn+2]
			if a == b || b == c || a == c || a*b*c != 0 || a+b+c != 8 {
				t.Fatalf("%d active: the turns are %v, want 0, 1 and 7 once in three", busy, got)
			}
		}
	}
}

func TestLeastCountsTheConnectionToCome(t *testing.T) {
	for _, test := range []struct {
		name    string
		weights []int
		active  []int64
		want    int
	}{
		{"fewest", []int{1, 1, 1}, []int64{4, 2, 3}, 1},
		{"fewest for its weight", []int{1, 10, 1}, []int64{2, 20, 3}, 1},
		{"one more decides", []int{2, 1}, []int64{2, 1}, 0},
		{"idle before busy", []int{5, 5}, []int64{1, 0}, 1},
		{"heavy before a light idle one", []int{100, 1}, []int64{50, 0}, 0},
		{"light idle one in time", []int{100, 1}, []int64{100, 0}, 1},
		{"counts past 2^63 when multiplied", []int{maxWeight, maxWeight - 1}, []int64{math.MaxInt64 - 8, math.MaxInt64 - 7}, 0},
	} {
		all := backends(test.weights...)
		for i, n := range test.active {
			all[i].Load.active.Store(n)
		}
		if got := picker(t, "least_connections", all).Pick(&Request{}); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

// A backend that was busy for a long time has no arrears of ties.
func TestTurnsAreNotSavedUp(t *testing.T) {
	all := equal(2)
	p := picker(t, "least_connections", all)
	pick := func() int {
		i := p.Pick(&Request{})
		all[i].Load.Release()
		return i
	}
	all[0].Load.active.Store(5)
	for range 1000 {
		pick()
	}
	all[0].Load.active.Store(0)
	var first int
	for range 100 {
		first += 1 - pick()
	}
	if first < 49 || first > 51 {
		t.Errorf("the backend that came back had %d of 100 turns, want half", first)
	}
}

// Among ten thousand the least loaded is found wherever it stands, and the next
// one when it is as loaded as the others.
func TestLeastOfTenThousand(t *testing.T) {
	all := mixed(10_000)
	for i, b := range all {
		all[i].Load.active.Store(int64(10 * b.Weight))
	}
	want := []int{0, 4321, 9999}
	for k, i := range want {
		all[i].Weight = 1000
		all[i].Load.active.Store(int64(9000 + k))
	}
	p := picker(t, "least_connections", all)
	for _, i := range want {
		if got := p.Pick(&Request{}); got != i {
			t.Errorf("got %d with %d of weight %d, want %d", got, all[got].Load.Active(), all[got].Weight, i)
		}
		all[i].Load.active.Store(10 * 1000)
	}
}
