package balancer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

// The package opens no descriptor; a goroutine it could leak.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backends makes one backend for each weight, b0, b1 and so on.
func backends(weights ...int) []Backend {
	all := make([]Backend, len(weights))
	for i, w := range weights {
		all[i] = Backend{
			Name: fmt.Sprintf("b%d", i), Weight: w, Ref: i,
			Load: &Load{ID: uint32(i + 1)},
		}
	}
	return all
}

// equal makes n backends of weight 1.
func equal(n int) []Backend {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1
	}
	return backends(weights...)
}

// mixed makes n backends with weights all over 1 to 65535, both ends included.
func mixed(n int) []Backend {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1 + rng.IntN(maxWeight)
	}
	weights[0], weights[n-1] = 1, maxWeight
	return backends(weights...)
}

func picker(t testing.TB, policy string, all []Backend) Picker {
	t.Helper()
	if err := check(policy, [][]Backend{all}); err != nil {
		t.Fatal(err)
	}
	p, err := newPicker(policy, newRoster(all))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// requests gives each Pick a fresh key and a fresh random number, the same
// ones in each run.
type requests struct{ rng *rand.Rand }

func newRequests(seed uint64) requests { return requests{rand.New(rand.NewPCG(seed, 99))} }

func (q requests) next() Request { return Request{Key: q.rng.Uint64(), Rand: q.rng.Uint64()} }

// tally counts n picks by backend, each released before the next.
func tally(t testing.TB, p Picker, all []Backend, n int, q requests) []int {
	t.Helper()
	counts := make([]int, len(all))
	for range n {
		r := q.next()
		i := p.Pick(&r)
		if i < 0 {
			t.Fatal("no backend picked")
		}
		counts[i]++
		all[i].Load.Release()
	}
	return counts
}

func sum(all []Backend) (total int) {
	for _, b := range all {
		total += b.Weight
	}
	return total
}

func share(b Backend, all []Backend) float64 { return float64(b.Weight) / float64(sum(all)) }

// without is all backends but one.
func without(all []Backend, i int) []Backend {
	return append(append([]Backend(nil), all[:i]...), all[i+1:]...)
}
