package control

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
	"sluice/proxy"
	"sluice/state"
)

// run starts the loop and ends it with the test's bubble.
func run(t *testing.T, c *Control) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func TestReloadOpensThenCommitsThenPublishes(t *testing.T) {
	s := state.New()
	opened := &proxy.Opening{}
	var steps []string
	c := New(s, plane{
		open: func(tab *proxy.Table) (*proxy.Opening, error) {
			if s.View().Pool("web") != nil {
				t.Error("committed before the sockets were open")
			}
			steps = append(steps, "open")
			return opened, nil
		},
		publish: func(tab *proxy.Table, o *proxy.Opening) {
			if s.View().Pool("web") == nil {
				t.Error("published before the commit")
			}
			if o != opened || len(tab.Listeners) != 1 {
				t.Errorf("published %d listeners with opening %p, want 1 with %p", len(tab.Listeners), o, opened)
			}
			steps = append(steps, "publish")
		},
	}, zap.NewNop())
	plan, err := c.Reload(configOf("web"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(steps, " "); got != "open publish" {
		t.Errorf("steps %q", got)
	}
	if got, want := plan.String(), "listeners +web; pools +web; backends +web/b1 +web/b2 +web/b3"; got != want {
		t.Errorf("plan %q, want %q", got, want)
	}
}

func TestReloadThatFailsChangesNothing(t *testing.T) {
	refused := errors.New("listener api: bind 127.0.0.1:8080: address already in use")
	bad := configOf("web", "api")
	bad.Pools[1].Policy = "guess"
	for _, tt := range []struct {
		name string
		cfg  *config.Config
		open error
		want string
	}{
		{"socket", configOf("web", "api"), refused, refused.Error()},
		{"compile", bad, nil, "pool api: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := state.New()
			var fail error
			published := 0
			c := New(s, plane{
				open:    func(*proxy.Table) (*proxy.Opening, error) { return &proxy.Opening{}, fail },
				publish: func(*proxy.Table, *proxy.Opening) { published++ },
			}, zap.NewNop())
			if _, err := c.Reload(configOf("web")); err != nil {
				t.Fatal(err)
			}
			before, inForce := s.View(), c.now
			fail = tt.open
			plan, err := c.Reload(tt.cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if !plan.Empty() {
				t.Errorf("plan %v of a reload that failed", plan)
			}
			for _, name := range state.Tables {
				select {
				case <-before.Changed(name):
					t.Errorf("table %s has changed", name)
				default:
				}
			}
			if published != 1 || c.now != inForce {
				t.Errorf("published %d tables, want 1", published)
			}
			fail = nil // and the next one goes through
			if _, err := c.Reload(configOf("web", "api")); err != nil || published != 2 {
				t.Errorf("next reload: %v, %d published", err, published)
			}
		})
	}
}

func TestReloadOfTheSameOpensAndPublishesNothing(t *testing.T) {
	published := 0
	c := New(state.New(), plane{publish: func(*proxy.Table, *proxy.Opening) { published++ }}, zap.NewNop())
	for range 2 {
		if _, err := c.Reload(configOf("web")); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := c.Reload(configOf("web"))
	if err != nil || !plan.Empty() || plan.String() != "nothing changed" || published != 1 {
		t.Errorf("plan %q, error %v, %d published; want nothing changed and 1", plan, err, published)
	}
}

func TestStormBecomesOneTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.New()
		var published []*proxy.Table
		c := New(s, plane{publish: func(tab *proxy.Table, _ *proxy.Opening) { published = append(published, tab) }}, zap.NewNop())
		run(t, c)
		synctest.Wait()
		if len(published) != 0 {
			t.Fatal("published before the first reload")
		}
		cfg := configOf("web")
		cfg.Pools[0] = poolOf("web", 100)
		if _, err := c.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(published) != 1 {
			t.Fatalf("%d tables after the reload, want 1", len(published))
		}
		for _, b := range cfg.Pools[0].Backends {
			verdict(s, "web", b.Name, state.Up)
			time.Sleep(settle / 200)
		}
		time.Sleep(settle)
		synctest.Wait()
		if len(published) != 2 {
			t.Errorf("%d tables after a storm, want 2", len(published))
		}
		if got := picked(t, published[len(published)-1].Pools[0], 100); len(got) != 100 {
			t.Errorf("%d backends picked, want 100", len(got))
		}
	})
}

func TestLoopKeepsTheTableWhenItCannotCompile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state.New()
		published := 0
		core, logs := observer.New(zap.ErrorLevel)
		c := New(s, plane{publish: func(*proxy.Table, *proxy.Opening) { published++ }}, zap.New(core))
		if _, err := c.Reload(configOf("web")); err != nil {
			t.Fatal(err)
		}
		run(t, c)
		broken := configOf("web")
		broken.Pools[0].Policy = "guess"
		commit(s, func(c *state.Change) { c.SetConfig(broken) })
		time.Sleep(time.Second)
		verdict(s, "web", "b1", state.Up)
		time.Sleep(time.Second)
		synctest.Wait()
		if published != 1 || logs.Len() != 1 {
			t.Errorf("%d tables published, %d lines logged; want 1 and 1", published, logs.Len())
		}
		commit(s, func(c *state.Change) { c.SetConfig(configOf("web")) })
		time.Sleep(time.Second)
		synctest.Wait()
		if published != 2 {
			t.Errorf("%d tables published, want 2 since it compiles again", published)
		}
	})
}

// Real time and real threads: reloads, each with its number as a setting, race
// with others who publish, and no table may be older than the one before it.
func TestOlderViewIsNeverPublishedOverNewer(t *testing.T) {
	s := state.New()
	last, flips := 0, 0 // written under the lock of Control
	c := New(s, plane{publish: func(tab *proxy.Table, _ *proxy.Opening) {
		round := (&Compiled{Table: tab}).pool("web").Retries
		if round < last {
			t.Errorf("table %d is published over table %d", round, last)
		}
		if round == last {
			flips++
		}
		last = round
	}}, zap.NewNop())
	cfg := configOf("web")
	if _, err := c.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				c.publish()
			}
		})
	}
	for round := range 300 {
		next := configOf("web")
		next.Pools[0].Retries = 10 + round
		if _, err := c.Reload(next); err != nil {
			t.Fatal(err)
		}
		verdict(s, "web", "b1", []state.Status{state.Up, state.Down}[round%2])
	}
	cancel()
	wg.Wait()
	c.publish()
	if last != 309 || flips == 0 {
		t.Errorf("last table %d after %d flips, want 309 and some", last, flips)
	}
}

func TestCheckIsTheSameWalk(t *testing.T) {
	if err := Check(configOf("web")); err != nil {
		t.Errorf("Check of a good config: %v", err)
	}
	bad := configOf("web")
	bad.Listeners[0].Pool = "lost"
	if err := Check(bad); err == nil || err.Error() != `listener web: pool "lost" does not exist` {
		t.Errorf("Check: %v", err)
	}
}
