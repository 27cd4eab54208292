package balancer

import (
	"math/rand/v2"
	"testing"
)

// ownersOf is the name of the backend that each of n keys gets.
func ownersOf(t *testing.T, policy string, all []Backend, n int) []string {
	t.Helper()
	p, q := picker(t, policy, all), newRequests(9)
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	names := make([]string, n)
	for k := range names {
		r := q.next()
		r.Rand = rng.Uint64() // must not matter
		i := p.Pick(&r)
		names[k] = all[i].Name
		all[i].Load.Release()
	}
	return names
}

func everyHash(t *testing.T, test func(t *testing.T, policy string)) {
	everyPolicy(t, func(t *testing.T, policy string, c claim) {
		if c.byKey {
			test(t, policy)
		}
	})
}

func TestKeyKeepsItsBackendInAnyOrder(t *testing.T) {
	everyHash(t, func(t *testing.T, policy string) {
		for _, full := range []bool{false, true} {
			all := mixed(40)
			all[3].Weight = all[4].Weight
			if full { // second choices are as stable as first ones
				for i := 0; i < 36; i++ {
					all[i].MaxConnections = 1
					all[i].Load.Acquire(1)
				}
			}
			want := ownersOf(t, policy, all, 5000)
			for seed := range uint64(5) {
				rng := rand.New(rand.NewPCG(seed, 5))
				rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				for k, got := range ownersOf(t, policy, all, 5000) {
					if got != want[k] {
						t.Fatalf("full %v: key %d goes to %s, in another order to %s", full, k, got, want[k])
					}
				}
			}
		}
	})
}

// moved counts the keys that change their backend between two pools: those
// that had to, because theirs is gone, and the others.
func moved(before, after []string, gone string) (had, others int) {
	for k := range before {
		switch {
		case before[k] == gone:
			had++
		case before[k] != after[k]:
			others++
		}
	}
	return had, others
}

// One backend goes, or comes back: its own keys move. source_hash moves no
// other unless the ring is scaled; maglev some. Together it is about twice the
// backend's share at most, in pools of the size that the table is for.
func TestRemovalMovesLittle(t *testing.T) {
	const keys = 200_000
	pools := []struct {
		name string
		all  []Backend
	}{
		{"equal 3", equal(3)},
		{"equal 10", equal(10)},
		{"equal 100", equal(100)},
		{"weights 1 to 10", backends(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)},
		{"equal 1000", equal(1000)},
		{"weights to 65535", mixed(100)},
	}
	everyHash(t, func(t *testing.T, policy string) {
		for _, pool := range pools {
			all := pool.all
			gone := len(all) / 2
			before := ownersOf(t, policy, all, keys)
			after := ownersOf(t, policy, without(all, gone), keys)
			had, others := moved(before, after, all[gone].Name)

			fair := share(all[gone], all)
			own, rest := float64(had)/keys, float64(others)/keys
			t.Logf("%-16s share %.4f: own keys %.4f, other keys %.4f, together %.2f shares",
				pool.name, fair, own, rest, (own+rest)/fair)
			if own > 1.25*fair+0.0005 || own < 0.75*fair-0.0005 {
				t.Errorf("%s: the backend had %.4f of the keys, want about %.4f", pool.name, own, fair)
			}
			most := 0.
			switch {
			case policy == "source_hash" && sum(all) > maxRingWeight:
				most = 1.25 * fair
			case policy == "maglev":
				// Few slots a backend make long chains: past the paper's
				// hundred slots for each, the bound is one of all keys.
				if most = fair; len(all) > maglevSlots/100 {
					most = 0.01
				}
			}
			if rest > most {
				t.Errorf("%s: %.4f of the keys moved besides, want at most %.4f", pool.name, rest, most)
			}
		}
	})
}

// A full backend is for its own keys as if it were gone, and for the others as
// if nothing had happened.
func TestFullBackendMovesOnlyItsOwnKeys(t *testing.T) {
	everyHash(t, func(t *testing.T, policy string) {
		all := equal(20)
		before := ownersOf(t, policy, all, 20_000)
		all[5].MaxConnections = 1
		all[5].Load.Acquire(1)
		heirs := make(map[string]int)
		for k, name := range ownersOf(t, policy, all, 20_000) {
			if before[k] != "b5" && name != before[k] {
				t.Fatalf("key %d of %s went to %s", k, before[k], name)
			}
			if before[k] == "b5" {
				heirs[name]++
			}
		}
		if len(heirs) != 19 || heirs["b5"] != 0 {
			t.Errorf("the keys went to %d others, want 19: %v", len(heirs), heirs)
		}
	})
}

// Ten thousand backends of all weights: the heavy half has about the part of
// the picks that its weight is. least_connections looks at every backend for
// every pick, so it has a thousand here, and ten thousand in a test of its own.
func TestTenThousandBackends(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, c claim) {
		if c.ordered {
			return
		}
		n, picks := 10_000, 20_000
		if policy == "least_connections" {
			n, picks = 1000, 5000
		}
		all := mixed(n)
		counts := tally(t, picker(t, policy, all), all, picks, newRequests(10))
		heavy, want := 0, 0.
		for i, b := range all {
			if b.Weight > maxWeight/2 {
				heavy += counts[i]
				want += share(b, all)
			}
		}
		got := float64(heavy) / float64(picks)
		t.Logf("the heavy half has %.3f of the picks, of the weight %.3f", got, want)
		if got < want-0.03 || got > want+0.03 {
			t.Errorf("the heavy half has %.3f of the picks, want %.3f", got, want)
		}
	})
}
