package control

import (
	"fmt"
	"testing"

	"sluice/config"
	"sluice/state"
)

// tenThousand is 10,000 backends that are all up, in pools of the given size.
func tenThousand(size int) *state.Store {
	cfg := &config.Config{}
	for i := range 10_000 / size {
		p := poolOf(fmt.Sprintf("p%05d", i), size)
		p.Policy = "least_connections"
		cfg.Pools = append(cfg.Pools, p)
		cfg.Listeners = append(cfg.Listeners, listenerOf(p.Name, p.Name))
	}
	s := storeOf(cfg)
	commit(s, func(c *state.Change) {
		v := c.View()
		for b := range v.AllBackends() {
			c.SetHealth(&state.Health{
				Pool: b.Pool, Backend: b.Name, Status: state.Up,
				Subject: state.SubjectOf(v.Pool(b.Pool), b),
			})
		}
	})
	return s
}

// A table of 10,000 backends from nothing, as at the start.
func BenchmarkCompile(b *testing.B) {
	for _, size := range []int{10, 100, 10_000} {
		b.Run(fmt.Sprintf("pools_of_%d", size), func(b *testing.B) {
			v := tenThousand(size).View()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(v, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One backend of 10,000 goes down or comes up.
func BenchmarkFlip(b *testing.B) {
	for _, size := range []int{10, 100, 10_000} {
		b.Run(fmt.Sprintf("pools_of_%d", size), func(b *testing.B) {
			s := tenThousand(size)
			now, err := Compile(s.View(), nil)
			status := state.Up
			b.ReportAllocs()
			for b.Loop() && err == nil {
				status = state.Up + state.Down - status
				verdict(s, "p00000", "b1", status)
				now, err = Compile(s.View(), now)
			}
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
