package balancer

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Many workers pick and release at once: no backend ever has more connections
// than its limit, none counts one that is gone, and a Pick fails only if at
// some moment there was no place.
func TestLimitHoldsInACrowd(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		const workers, turns = 16, 3000
		all := backends(1, 10, 3, 500)
		for i := range all {
			all[i].MaxConnections = int64(i + 1) // 10 places for 16 workers
		}
		p := picker(t, policy, all)
		inside := make([]atomic.Int64, len(all)) // counted apart from Load
		var over, picked, refused atomic.Int64
		var crowd sync.WaitGroup
		for w := range workers {
			crowd.Go(func() {
				q := newRequests(uint64(w))
				for range turns {
					r := q.next()
					i := p.Pick(&r)
					if i < 0 {
						refused.Add(1)
						continue
					}
					picked.Add(1)
					if inside[i].Add(1) > all[i].MaxConnections || all[i].Load.Active() > all[i].MaxConnections {
						over.Add(1)
					}
					inside[i].Add(-1)
					all[i].Load.Release()
				}
			})
		}
		crowd.Wait()
		if n := over.Load(); n > 0 {
			t.Errorf("%d times a backend was above its limit", n)
		}
		if picked.Load() == 0 || picked.Load()+refused.Load() != workers*turns {
			t.Errorf("%d picked and %d refused of %d", picked.Load(), refused.Load(), workers*turns)
		}
		for i, b := range all {
			if n := b.Load.Active(); n != 0 {
				t.Errorf("backend %d still counts %d", i, n)
			}
		}
	})
}

// As many places as workers: a place is always free for whoever asks, so no
// Pick of a policy that can see all backends may come back empty for long.
func TestCrowdThatFitsIsServed(t *testing.T) {
	everyPolicy(t, func(t *testing.T, policy string, _ claim) {
		const workers = 8
		all := equal(workers)
		for i := range all {
			all[i].MaxConnections = 1
		}
		p := picker(t, policy, all)
		var crowd sync.WaitGroup
		for w := range workers {
			crowd.Go(func() {
				q := newRequests(uint64(w))
				for {
					r := q.next()
					if p.Pick(&r) >= 0 { // and keeps it
						return
					}
				}
			})
		}
		crowd.Wait()
		for i, b := range all {
			if n := b.Load.Active(); n != 1 {
				t.Errorf("backend %d has %d connections, want 1", i, n)
			}
		}
	})
}

// round_robin is exact in a crowd too: a place of the round has one owner.
func TestRoundRobinIsExactInACrowd(t *testing.T) {
	const workers, rounds = 8, 20_000
	all := backends(5, 1, 2)
	p := picker(t, "round_robin", all)
	var crowd sync.WaitGroup
	for range workers {
		crowd.Go(func() {
			for range rounds * sum(all) {
				p.Pick(&Request{})
			}
		})
	}
	crowd.Wait()
	for _, b := range all {
		if got, want := b.Load.Active(), int64(workers*rounds*b.Weight); got != want {
			t.Errorf("backend of weight %d: %d picks, want %d", b.Weight, got, want)
		}
	}
}
