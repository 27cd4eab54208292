package balancer

import (
	"fmt"
	"testing"
)

func BenchmarkPick(b *testing.B) {
	for _, policy := range Policies() {
		for _, n := range []int{2, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				all := mixed(n)
				for i := range all { // busy, so that nothing is cut short
					all[i].Load.active.Store(int64(1 + i%7))
				}
				p := picker(b, policy, all)
				r := Request{}
				b.ReportAllocs()
				for b.Loop() {
					r.Key, r.Rand = r.Key+1, r.Rand+golden
					all[p.Pick(&r)].Load.Release()
				}
			})
		}
	}
}

// All full but the last: the most that a Pick can cost.
func BenchmarkPickFull(b *testing.B) {
	for _, policy := range Policies() {
		b.Run(policy+"/10000", func(b *testing.B) {
			all := mixed(10_000)
			for i := range all[:len(all)-1] {
				all[i].MaxConnections = 1
				all[i].Load.Acquire(1)
			}
			p := picker(b, policy, all)
			r := Request{}
			r.Tried.Add(all[len(all)-1].Load.ID)
			for b.Loop() {
				r.Key, r.Rand = r.Key+1, r.Rand+golden
				p.Pick(&r)
			}
		})
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for _, policy := range Policies() {
		b.Run(policy+"/100", func(b *testing.B) {
			all := mixed(100)
			p := picker(b, policy, all)
			b.RunParallel(func(pb *testing.PB) {
				r := Request{}
				for pb.Next() {
					r.Key, r.Rand = r.Key+1, r.Rand+golden
					all[p.Pick(&r)].Load.Release()
				}
			})
		})
	}
}

func BenchmarkNewPool(b *testing.B) {
	for _, policy := range Policies() {
		for _, pool := range []struct {
			name string
			all  []Backend
		}{{"equal/10", equal(10)}, {"equal/1000", equal(1000)}, {"equal/10000", equal(10_000)}, {"mixed/10000", mixed(10_000)}} {
			b.Run(policy+"/"+pool.name, func(b *testing.B) {
				for b.Loop() {
					if _, err := NewPool(policy, pool.all); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkHashString(b *testing.B) {
	for b.Loop() {
		HashString("app-7.internal.example:8443")
	}
}
