package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
	"sluice/state"
)

// circus is a state and a Passive that runs over it, in a bubble of synctest.
type circus struct {
	*testing.T
	*world
	passive *Passive
}

// perform runs a test over web(n) with the settings.
func perform(t *testing.T, n int, s config.Outlier, test func(c *circus)) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		c := &circus{t, &world{store: state.New(), logs: logs}, nil}
		cfg := web(n)
		cfg.Pools[0].Outlier = s
		c.reload(cfg)
		c.passive = NewPassive(c.store, zap.New(core))
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { c.passive.Run(ctx) })
		defer ended.Wait()
		defer cancel()
		c.wait(time.Second)
		test(c)
	})
}

func (c *circus) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// broken has n connections to each of the backends broken.
func (c *circus) broken(n int, backends ...string) {
	for range n {
		for _, b := range backends {
			c.passive.Broke("web", b, time.Now(), syscall.ECONNRESET)
		}
	}
	synctest.Wait()
}

// out are the backends that are ejected.
func (c *circus) out() []string {
	var names []string
	for e := range c.store.View().Ejections("web") {
		names = append(names, e.Backend)
	}
	return names
}

func (c *circus) check(step string, want ...string) {
	c.Helper()
	if got := c.out(); !slices.Equal(got, want) {
		c.Errorf("%s: %v are out, want %v", step, got, want)
	}
}

func TestEjectionIsTold(t *testing.T) {
	perform(t, 4, fiveInARow, func(c *circus) {
		var told []Ejected
		c.passive.Told = func(e Ejected) { told = append(told, e) }
		start := time.Now()
		c.broken(5, "b1")
		c.wait(10 * time.Second)
		if len(told) != 2 {
			t.Fatalf("told %+v", told)
		}
		out, in := told[0], told[1]
		if out.Pool != "web" || out.Backend != "b1" || !out.Out || !out.Since.Equal(start) || out.Reason == "" {
			t.Errorf("out: %+v", out)
		}
		if in.Backend != "b1" || in.Out || !in.Since.Equal(start) {
			t.Errorf("in: %+v", in)
		}
	})
}

func TestEjectionTakesOutAndLetsIn(t *testing.T) {
	perform(t, 4, fiveInARow, func(c *circus) {
		c.broken(4, "b1", "b2")
		c.passive.Answered("web", "b2", time.Now().Add(time.Millisecond))
		c.check("four in a row")
		c.broken(1, "b1", "b2")
		c.check("five in a row", "b1")
		e := c.store.View().Ejection("web", "b1")
		const why = "5 failures in a row, the last one: broken before its first byte: connection reset by peer"
		if e.Reason != why || e.Address != address(1) || e.Until.Sub(e.Since) != 10*time.Second || !e.Since.Equal(time.Now()) {
			t.Errorf("ejection %+v", e)
		}
		c.wait(10*time.Second - 1)
		c.check("nearly over", "b1")
		c.wait(1)
		c.check("over")
		c.passive.ConnectFailed("web", "b1", 1, syscall.ECONNREFUSED)
		synctest.Wait()
		c.check("on trial", "b1")
		c.wait(20 * time.Second)
		c.check("over again")
		want := []string{
			"web/b1 ejected for 10s: " + why,
			"web/b1 ejected for 20s: a failure just after it was let in again, the last one: connect 10.0.0.1:80: connection refused",
			"web/b1 let in again: its time is over", "web/b1 let in again: its time is over",
		}
		if got := c.lines(); !slices.Equal(got, want) {
			t.Errorf("logged\n%q, want\n%q", got, want)
		}
	})
}

func TestAnEjectionByAProcessBeforeIsServedOut(t *testing.T) {
	perform(t, 4, fiveInARow, func(c *circus) {
		now := time.Now()
		change := c.store.Change()
		change.SetEjection(&state.Ejection{Pool: "web", Backend: "b1", Address: address(1), Since: now, Until: now.Add(3 * time.Second)})
		change.SetEjection(&state.Ejection{Pool: "web", Backend: "b2", Address: address(77), Since: now, Until: now.Add(3 * time.Second)})
		change.Commit()
		next := NewPassive(c.store, zap.NewNop())
		ctx, cancel := context.WithCancel(c.Context())
		var ended sync.WaitGroup
		ended.Go(func() { next.Run(ctx) })
		c.wait(time.Second)
		c.check("taken over", "b1")
		c.wait(2 * time.Second)
		c.check("its time is over")
		cancel()
		ended.Wait()
	})
}

func TestNoMoreThanMaxEjectedAreOut(t *testing.T) {
	perform(t, 5, fiveInARow, func(c *circus) {
		all := []string{"b1", "b2", "b3", "b4", "b5"}
		c.broken(20, all...)
		if got := c.out(); len(got) != 2 {
			t.Fatalf("%v are out, want two of five", got)
		}
		refused := 0
		for _, line := range c.lines() {
			if strings.HasPrefix(line, "web/b5 not ejected, max_ejected allows no more: ") {
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("said %d times of b5 that there is no room, want once", refused)
		}
		c.wait(10 * time.Second)
		c.check("over")
		c.broken(1, "b5")
		c.check("there is room again", "b5")
	})
}

func TestAPoolOfOneIsLeftAlone(t *testing.T) {
	perform(t, 1, fiveInARow, func(c *circus) {
		c.broken(50, "b1")
		c.check("one of one")
	})
}

func TestOneThatIsDownIsNotEjected(t *testing.T) {
	perform(t, 2, fiveInARow, func(c *circus) {
		set := func(s state.Status) {
			change := c.store.Change()
			change.SetHealth(&state.Health{Pool: "web", Backend: "b1", Status: s, Subject: state.Subject{Address: address(1), Type: "fake"}})
			change.Commit()
		}
		set(state.Down)
		c.broken(5, "b1") // enough for Run to look at it
		c.broken(4, "b1")
		set(state.Up)
		c.broken(1, "b1")
		c.check("failures of before count no more")
		c.broken(4, "b1")
		c.check("five since", "b1")
	})
}

func TestReloadKeepsWhatIsStillTheSame(t *testing.T) {
	perform(t, 4, fiveInARow, func(c *circus) {
		c.broken(5, "b1")
		c.broken(4, "b2", "b3")
		cfg := web(4)
		cfg.Pools[0].Outlier = fiveInARow
		cfg.Pools[0].Backends[2].Address = address(33)
		cfg.Pools = append(cfg.Pools, config.Pool{Name: "zoo"})
		c.reload(cfg)
		synctest.Wait()
		c.broken(1, "b2", "b3")
		c.check("another address is another backend", "b1", "b2")
		cfg.Pools[0].Backends = cfg.Pools[0].Backends[1:]
		c.reload(cfg)
		synctest.Wait()
		c.check("one is gone", "b2")
		cfg.Pools[0].Outlier.ConsecutiveFailures = 0
		c.reload(cfg)
		synctest.Wait()
		c.check("turned off")
		c.broken(9, "b3")
		c.passive.Answered("web", "b3", time.Now())
		c.passive.ConnectFailed("never", "there", 1, errors.New("x"))
		c.check("nobody listens")
		c.wait(time.Minute)
		c.check("and nobody comes back")
	})
}

// TestSickBackendGetsFewConnections plays clients that choose among those who
// are in: of a thousand connections a second, one that breaks all of them gets
// less than one in a hundred after two seconds; once it is well it is let in.
func TestSickBackendGetsFewConnections(t *testing.T) {
	for seed := range uint64(5) {
		perform(t, 4, fiveInARow, func(c *circus) {
			r := rand.New(rand.NewPCG(seed, 3))
			got, in := 0, map[string]bool{}
			second := func(sick bool) {
				for range 1000 {
					clear(in)
					for i := 1; i <= 4; i++ {
						in[fmt.Sprintf("b%d", i)] = true
					}
					for _, b := range c.out() {
						delete(in, b)
					}
					b := fmt.Sprintf("b%d", 1+r.IntN(4))
					for !in[b] {
						b = fmt.Sprintf("b%d", 1+r.IntN(4))
					}
					if sick && b == "b1" {
						got++
						c.broken(1, b)
					} else {
						c.passive.Answered("web", b, time.Now())
					}
					c.wait(time.Millisecond)
				}
			}
			second(true)
			second(true)
			got = 0
			for range 20 {
				second(true)
			}
			if got > 200 {
				t.Errorf("seed %d: it got %d of 20000", seed, got)
			}
			c.wait(time.Minute)
			second(false)
			second(false)
			c.check("well again")
		})
	}
}

// BenchmarkAnswered is what every connection costs the goroutine that tells of
// it.
func BenchmarkAnswered(b *testing.B) {
	p := NewPassive(state.New(), zap.NewNop())
	change := p.store.Change()
	cfg := web(10)
	cfg.Pools[0].Outlier = fiveInARow
	change.SetConfig(cfg)
	change.Commit()
	p.follow()
	b.ReportAllocs()
	at := time.Now()
	for b.Loop() {
		p.Answered("web", "b5", at)
	}
}
