package balancer

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// claim is what a policy promises about shares; all else is promised by all.
type claim struct {
	// off is how far from its share, in picks, a backend of this weight may be
	// after n picks in which its share was expected.
	off     func(b Backend, all []Backend, n int) float64
	byKey   bool // the key alone decides
	ordered bool // the order of the backends decides, weights do not
}

// noise is five standard deviations of n draws.
func noise(share float64, n int) float64 {
	return 5*math.Sqrt(float64(n)*share*(1-share)) + 1
}

var claims = map[string]claim{
	"round_robin":       {off: func(Backend, []Backend, int) float64 { return 0 }},
	"least_connections": {off: func(Backend, []Backend, int) float64 { return 1 }},
	"random_two":        {off: func(b Backend, all []Backend, n int) float64 { return noise(share(b, all), n) }},
	"least_latency":     {off: func(b Backend, all []Backend, n int) float64 { return noise(share(b, all), n) }},
	"source_hash": {byKey: true, off: func(b Backend, all []Backend, n int) float64 {
		points := float64(b.Weight * pointsPerWeight * maxRingWeight / max(sum(all), maxRingWeight))
		return noise(share(b, all), n) + 4*share(b, all)*float64(n)/math.Sqrt(points)
	}},
	"maglev": {byKey: true, off: func(b Backend, all []Backend, n int) float64 {
		return noise(share(b, all), n) + 1.5*float64(n)/maglevSlots
	}},
	"first": {ordered: true},
}

// everyPolicy runs a part of the conformance suite for each policy there is.
func everyPolicy(t *testing.T, test func(t *testing.T, policy string, c claim)) {
	for _, policy := range Policies() {
		t.Run(policy, func(t *testing.T) {
			c, ok := claims[policy]
			if !ok {
				t.Fatal("a policy without a claim: give it a line in claims")
			}
			test(t, policy, c)
		})
	}
}

var weightings = map[string][]int{
	"equal":       {1, 1, 1},
	"equal heavy": {300, 300, 300, 300},
	"one heavy":   {5, 1, 1},
	"all differ":  {1, 2, 3, 4},
	"far apart":   {100, 1, 50, 7},
	"unequal two": {2, 3},
}

func TestSharesFollowWeights(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, c claim) {
		if c.ordered {
			return
		}
		for name, weights := range weightings {
			t.Run(name, func(t *testing.T) {
				all := backends(weights...)
				rounds := 100_000 / sum(all)
				n := rounds * sum(all)
				for i, got := range tally(t, picker(t, policy, all), all, n, newRequests(1)) {
					want := float64(rounds * weights[i])
					if off := math.Abs(float64(got) - want); off > c.off(all[i], all, n) {
						t.Errorf("backend of weight %d: %d picks of %d, want %.0f ± %.0f",
							weights[i], got, n, want, c.off(all[i], all, n))
					}
				}
			})
		}
	})
}

// What a full or tried backend cannot take goes to the others by weight too.
func TestSharesFollowWeightsBesideAFullBackend(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, c claim) {
		if c.ordered {
			return
		}
		for _, tried := range []bool{false, true} {
			all := backends(3, 1, 60_000, 2)
			if !tried {
				all[2].MaxConnections = 1
				all[2].Load.Acquire(1)
			}
			p := picker(t, policy, all)
			const n = 60_000
			got, q := make([]int, 4), newRequests(2)
			for range n {
				r := q.next()
				if tried {
					r.Tried.Add(all[2].Load.ID)
				}
				i := p.Pick(&r)
				got[i]++
				all[i].Load.Release()
			}
			for i, part := range []float64{3. / 6, 1. / 6, 0, 2. / 6} {
				if off := math.Abs(float64(got[i]) - part*n); off > noise(part, n)+10 {
					t.Errorf("tried %v, backend of weight %d: %d picks of %d, want %.0f", tried, all[i].Weight, got[i], n, part*n)
				}
			}
		}
	})
}

func TestHeldConnectionsEndInProportion(t *testing.T) {
	slack := map[string]float64{"round_robin": 0, "least_connections": 0, "random_two": 12}
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		most, ok := slack[policy]
		if !ok {
			return
		}
		for name, weights := range weightings {
			t.Run(name, func(t *testing.T) {
				all := backends(weights...)
				p, q := picker(t, policy, all), newRequests(3)
				rounds := 10_000 / sum(all)
				for range rounds * sum(all) {
					r := q.next()
					p.Pick(&r)
				}
				for _, b := range all {
					want := int64(rounds * b.Weight)
					if off := math.Abs(float64(b.Load.Active() - want)); off > most {
						t.Errorf("backend of weight %d holds %d, want %d ± %.0f", b.Weight, b.Load.Active(), want, most)
					}
				}
			})
		}
	})
}

// A hundred small pools in many states: Pick finds a backend exactly if there
// is one that is neither full nor tried, takes one of those, and counts it.
func TestPickIsNeverFullAndNeverTried(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		q := newRequests(4)
		for seed := range uint64(100) {
			rng := rand.New(rand.NewPCG(seed, 4))
			all := mixed(2 + rng.IntN(40))
			for i := range all {
				all[i].MaxConnections = int64(rng.IntN(4)) // 0: no limit
				if seed%10 != 0 {
					all[i].Weight = 1 + all[i].Weight%10
				}
			}
			p := picker(t, policy, all)
			held := make([]int64, len(all))
			for range 1000 {
				r := q.next()
				for range rng.IntN(MaxTried + 1) {
					r.Tried.Add(all[rng.IntN(len(all))].Load.ID)
				}
				usable := func(i int) bool {
					full := all[i].MaxConnections > 0 && held[i] >= all[i].MaxConnections
					return !full && !r.Tried.Has(all[i].Load.ID)
				}
				i := p.Pick(&r)
				if i >= 0 && !usable(i) {
					t.Fatalf("seed %d: picked backend %d, held %d of %d, tried %v", seed, i, held[i], all[i].MaxConnections, r.Tried.Has(all[i].Load.ID))
				}
				for j := range all {
					if i < 0 && usable(j) {
						t.Fatalf("seed %d: nothing picked, but backend %d could be", seed, j)
					}
				}
				if i >= 0 {
					held[i]++
				}
				if j := rng.IntN(len(all)); held[j] > 0 {
					held[j]--
					all[j].Load.Release()
				}
				for j, b := range all {
					if b.Load.Active() != held[j] {
						t.Fatalf("seed %d: backend %d counts %d, want %d", seed, j, b.Load.Active(), held[j])
					}
				}
			}
		}
	})
}

func TestSingleBackend(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		for _, weight := range []int{1, maxWeight} {
			all := backends(weight)
			all[0].MaxConnections = 2
			p, q := picker(t, policy, all), newRequests(5)
			for _, want := range []int{0, 0, -1} {
				if r := q.next(); p.Pick(&r) != want {
					t.Errorf("weight %d: pick is not %d", weight, want)
				}
			}
		}
	})
}

// With a limit of one each, n picks are n backends, and one more is none.
func TestEveryBackendIsReachable(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, c claim) {
		for name, all := range map[string][]Backend{"mixed": mixed(1000), "equal": equal(1000)} {
			for i := range all {
				all[i].MaxConnections = 1
			}
			p, q := picker(t, policy, all), newRequests(6)
			seen := make([]bool, len(all))
			for n := range all {
				r := q.next()
				i := p.Pick(&r)
				if i < 0 || seen[i] {
					t.Fatalf("%s: pick %d is backend %d, which is none or not free", name, n, i)
				}
				seen[i] = true
			}
			if r := q.next(); p.Pick(&r) >= 0 {
				t.Errorf("%s: a backend beyond the last", name)
			}
		}
	})
}

func TestPickAllocatesNothing(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		for name, all := range map[string][]Backend{"few": backends(1, 2, 3), "many": mixed(2000), "full": equal(50)} {
			if name == "full" {
				for i := range all[:49] {
					all[i].MaxConnections = 1
					all[i].Load.Acquire(1)
				}
			}
			p, q := picker(t, policy, all), newRequests(7)
			var r Request
			if got := testing.AllocsPerRun(5, func() {
				for range 100 { // AllocsPerRun rounds down: one in a hundred picks would pass
					r = q.next()
					r.Tried.Add(1)
					p.Pick(&r)
				}
			}); got != 0 {
				t.Errorf("%s: %v allocations in 100 picks, want 0", name, got)
			}
		}
	})
}

// A pick among 10,000 backends that are all full, or full but for one, costs
// some passes over them and not a pass for each. The bound is a hundred times
// what passes take, and a tenth of what a pass for each would.
func TestPickAmongThousandsOfFullBackendsIsBounded(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		all := mixed(10_000)
		for i := range all {
			all[i].MaxConnections = 1
			if i != 7000 {
				all[i].Load.Acquire(1)
			}
		}
		p, q := picker(t, policy, all), newRequests(8)
		best := time.Hour
		for _, want := range []int{7000, -1, -1, -1} {
			r := q.next()
			start := time.Now()
			if got := p.Pick(&r); got != want {
				t.Fatalf("got %d, want %d", got, want)
			}
			best = min(best, time.Since(start))
		}
		if best > 30*time.Millisecond {
			t.Errorf("a pick took %v", best)
		}
	})
}
