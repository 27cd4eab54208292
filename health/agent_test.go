package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/state"
)

// office is a state and the Agents that ask about web(n), in a bubble of
// synctest. Agents say what the test has put into lines, by backend; those of
// whom there is nothing do not answer.
type office struct {
	*testing.T
	*world
	mu       sync.Mutex
	agents   *Agents
	lines    map[config.Address]string
	mute     time.Duration // what it takes to find that an agent does not answer
	asked    int
	answered int
}

const agentPort = 9999

func employ(t *testing.T, n int, test func(o *office)) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		o := &office{T: t, world: &world{store: state.New(), logs: logs}, lines: map[config.Address]string{}}
		o.reload(o.config(n))
		ctx, cancel := context.WithCancel(t.Context())
		o.agents = NewAgents(o.store, zap.New(core))
		o.agents.ask = o.ask
		var ended sync.WaitGroup
		ended.Go(func() { o.agents.Run(ctx) })
		defer ended.Wait()
		defer cancel()
		synctest.Wait() // the first has been asked, in vain
		test(o)
	})
}

func (o *office) config(n int) *config.Config {
	cfg := web(n)
	cfg.Pools[0].Health.Interval = time.Second
	cfg.Pools[0].Health.Agent.TCP = netip.AddrPortFrom(netip.IPv6Unspecified(), agentPort)
	return cfg
}

func (o *office) ask(ctx context.Context, at config.Address, _ time.Duration) (string, error) {
	o.mu.Lock()
	o.asked++
	line, ok := o.lines[at]
	if ok {
		o.answered++
	}
	mute := o.mute
	o.mu.Unlock()
	if ok {
		return line, nil
	}
	select {
	case <-time.After(mute):
	case <-ctx.Done():
	}
	return "", errors.New("refused")
}

// times is how often anybody has been asked.
func (o *office) times() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// say lets the agent of the backend at address(port) say a line, and waits until
// it has been asked.
func (o *office) say(port int, line string) {
	o.mu.Lock()
	at := address(port)
	at.TCP = netip.AddrPortFrom(at.TCP.Addr(), agentPort)
	o.lines[at] = line
	o.mu.Unlock()
	time.Sleep(1100 * ms)
	synctest.Wait()
}

func (o *office) advice(backend string) *state.Advice { return o.store.View().Advice("web", backend) }

func TestAgentIsHeeded(t *testing.T) {
	employ(t, 2, func(o *office) {
		o.say(1, "up ready 75%")
		got := o.advice("b1")
		if got == nil || got.Weight != 75 || !got.Percent || got.Mode != state.Ready || got.Down || got.Address != address(1) || got.Said != "up ready 75%" {
			t.Fatalf("advice %+v", got)
		}
		if a := o.advice("b2"); a != nil {
			t.Errorf("of one whose agent is mute: %+v", a)
		}
		o.say(1, "up ready 75% # as before")
		if o.advice("b1") != got {
			t.Error("a row was written though nothing has changed")
		}
		o.say(1, "drain wobbly")
		o.say(1, "drain wobbling") // it has been said that it says such things
		if a := o.advice("b1"); a == nil || a.Mode != state.Drain || a.Weight != 75 {
			t.Errorf("advice %+v, want drain, and the weight of before", a)
		}
		o.say(1, "down # no disk\r")
		o.say(1, "down # no disk\r")
		want := []string{
			"web/b1: its agent does not answer, what it said last holds: refused",
			`web/b1: its agent says "down # no disk\r"`,
			`web/b1: its agent says "drain wobbly"`,
			`web/b1: its agent says "wobbly", which means nothing here`,
			"web/b2: its agent does not answer, what it said last holds: refused",
		}
		if got := o.world.lines(); !slices.Equal(got, want) {
			t.Errorf("logged\n%q, want\n%q", got, want)
		}
	})
}

func TestAdviceHoldsWhileItsAgentIsMute(t *testing.T) {
	employ(t, 1, func(o *office) {
		o.say(1, "maint")
		o.mu.Lock()
		clear(o.lines)
		o.mu.Unlock()
		time.Sleep(time.Hour)
		if a := o.advice("b1"); a == nil || a.Mode != state.Maint {
			t.Errorf("advice %+v, want maint", a)
		}
	})
}

func TestAdviceGoesWithItsAgent(t *testing.T) {
	employ(t, 3, func(o *office) {
		for i := range 3 {
			o.say(i+1, "drain")
		}
		cfg := o.config(2)
		cfg.Pools[0].Backends[1].Address = address(22)
		cfg.Pools[0].Health.Interval = 3 * time.Second
		o.reload(cfg)
		synctest.Wait()
		if o.advice("b1") == nil || o.advice("b2") != nil || o.advice("b3") != nil {
			t.Errorf("advice %v, %v, %v; want that of b1 alone", o.advice("b1"), o.advice("b2"), o.advice("b3"))
		}
		o.say(1, "weight:9") // what it said under the other interval is not forgotten
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if a := o.advice("b1"); a == nil || a.Mode != state.Drain || a.Weight != 9 {
			t.Errorf("advice %+v, want drain and a weight of 9", a)
		}
		cfg = web(2)
		o.reload(cfg)
		synctest.Wait()
		if a := o.advice("b1"); a != nil {
			t.Errorf("no agent, but %+v", a)
		}
		before := o.times()
		time.Sleep(time.Minute)
		if o.times() != before {
			t.Error("agents are asked that nobody wants")
		}
	})
}

func TestAgentsAreAskedAtTheInterval(t *testing.T) {
	employ(t, 1, func(o *office) {
		time.Sleep(100*time.Second + ms)
		if n := o.times(); n < 95 || n > 106 {
			t.Errorf("asked %d times in 100 s, want once a second", n)
		}
	})
}

// TestMuteAgentsHoldUpNobodyElse, though they are twice as many as may be asked at one
// time.
func TestMuteAgentsHoldUpNobodyElse(t *testing.T) {
	employ(t, 2*mostAgents, func(o *office) {
		o.mu.Lock()
		o.mute = 10 * time.Second
		o.mu.Unlock()
		o.say(1, "up")
		time.Sleep(time.Minute) // all have been asked
		o.mu.Lock()
		before := o.answered
		o.mu.Unlock()
		time.Sleep(100 * time.Second)
		o.mu.Lock()
		defer o.mu.Unlock()
		if n := o.answered - before; n < 95 {
			t.Errorf("asked %d times in 100 s, want once a second", n)
		}
	})
}

func TestManyAnswersAreOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := state.New()
		a := NewAgents(store, zap.NewNop())
		view, commits := store.View(), 0
		var ended sync.WaitGroup
		ended.Go(func() { a.collect(ctx) })
		ended.Go(func() {
			for view.Wait(ctx, state.Advices) == nil {
				view = store.View()
				commits++
			}
		})
		const n = 100
		for i := range n {
			g := &agent{key: key{"web", fmt.Sprint("b", i)}, says: silence}
			a.agents[g.key] = g
			a.hear(g, "drain", nil)
			synctest.Wait()
		}
		time.Sleep(gather)
		synctest.Wait()
		cancel()
		ended.Wait()
		if rows := len(slices.Collect(store.View().AllAdvices())); rows != n || commits != 1 {
			t.Errorf("%d rows in %d commits, want %d in one", rows, commits, n)
		}
	})
}

func TestAgentsAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, says, line, err string
		stays                 bool
	}{
		{"a line and its end", "up 50%\n", "up 50%", "", false},
		{"no end of line", "weight:10", "", `"weight:10" is no whole line, which ends with \n or \r and is of at most 1024 bytes`, false},
		{"no end of line, and it stays", "weight:10", "", "no answer within 200ms", true},
		{"two lines, and it stays", "drain\r\nmaint\r\n", "drain", "", true},
		{"nothing", "", "", "it closed the connection", false},
		{"nothing, and it stays", "", "", "no answer within 200ms", true},
		{"more than fits", strings.Repeat("x", 2*mostSaid), "", "is of at most 1024 bytes", false},
		{"as much as fits", strings.Repeat("x", mostSaid-1) + "\r", strings.Repeat("x", mostSaid-1), "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			ended := make(chan struct{})
			a := serve(t, func(c net.Conn) {
				c.Write([]byte(tt.says))
				if tt.stays {
					<-ended
				}
			})
			timeout := 10 * time.Second
			if tt.stays && tt.err != "" {
				timeout = 200 * time.Millisecond
			}
			line, err := askAgent(t.Context(), a, timeout)
			close(ended)
			if tt.err == "" && (err != nil || line != tt.line) || tt.err != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.err)) {
				t.Errorf("got %q, %v; want %q, %q", line, err, tt.line, tt.err)
			}
		})
	}
}
