package health

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/config"
	"sluice/state"
)

// Agents asks the agents of backends what they advise, and writes a row when
// that changes. An agent that does not answer is no fault of its backend: what it
// said last holds.
//
//	state: pools, backends --follow--> agents, a goroutine each
//	                                     |
//	                           a line    v
//	state: advice <--one commit for what it changes
type Agents struct {
	store *state.Store
	log   *zap.Logger

	ask   func(ctx context.Context, at config.Address, timeout time.Duration) (line string, err error)
	slots chan struct{} // of those that answered last time, and the new ones
	mutes chan struct{} // of those that did not: they hold up nobody else

	mu     sync.Mutex // nobody writes for one that is not followed any more
	agents map[key]*agent
	heard  map[*agent]*state.Advice // what is to be committed
	called chan struct{}            // there is something in heard
}

// agent is one that is being asked. It belongs to its goroutine.
type agent struct {
	key
	agentSettings
	says    state.Advice
	end     context.CancelFunc
	mute    bool // it did not answer, and that has been said
	strange bool // it says what means nothing, and that has been said
}

// agentSettings make another agent where they differ.
type agentSettings struct {
	address  config.Address // of the backend
	at       config.Address
	interval time.Duration
	jitter   float64
	timeout  time.Duration
}

// mostAgents and mostMute bound those that are asked at one time, and so the
// descriptors they hold.
const (
	mostAgents = 256
	mostMute   = 64
)

// gather is how long answers wait for others that are committed with them.
const gather = 5 * time.Millisecond

// NewAgents makes an Agents that asks nobody before Run.
func NewAgents(store *state.Store, log *zap.Logger) *Agents {
	return &Agents{
		store: store, log: log, ask: askAgent,
		slots: make(chan struct{}, mostAgents), mutes: make(chan struct{}, mostMute),
		agents: map[key]*agent{}, heard: map[*agent]*state.Advice{}, called: make(chan struct{}, 1),
	}
}

// Run asks until ctx is done.
func (a *Agents) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { a.collect(ctx) })
	for {
		if a.follow(ctx, &running).Wait(ctx, state.Pools, state.Backends) != nil {
			return
		}
	}
}

// follow makes the agents those of the backends that are there now, and deletes
// the advice that is of none of them. It returns what it has seen, which is not looked
// at before nobody writes: an agent in the place of another goes on with its advice.
func (a *Agents) follow(ctx context.Context, running *sync.WaitGroup) *state.View {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commit()
	view, was := a.store.View(), a.agents
	a.agents = make(map[key]*agent, len(was))
	added := 0
	for b := range view.AllBackends() {
		pool := view.Pool(b.Pool)
		if pool == nil {
			continue
		}
		h, k := &pool.Health, key{b.Pool, b.Name}
		s := agentSettings{b.Address, h.AgentOf(b.Address), h.Interval, h.Jitter, h.Timeout}
		switch old := was[k]; {
		case s.at == config.Address{}:
		case old != nil && old.agentSettings == s:
			a.agents[k] = old
			delete(was, k)
		default:
			g := &agent{key: k, agentSettings: s, says: silence}
			if row := view.Advice(b.Pool, b.Name); row != nil && row.Address == s.address && row.Agent == s.at {
				g.says = *row
			}
			a.agents[k] = g
			own, end := context.WithCancel(ctx)
			g.end = end
			first := min(time.Duration(added)*gap, s.interval)
			running.Go(func() { a.attend(own, g, first) })
			added++
		}
	}
	for _, g := range was {
		g.end()
	}
	a.clear(view)
	return view
}

// clear deletes the rows that nobody stands behind.
func (a *Agents) clear(view *state.View) {
	deleteStale(a.store, view.AllAdvices(), func(row *state.Advice) bool {
		g := a.agents[key{row.Pool, row.Backend}]
		return g == nil || g.address != row.Address || g.at != row.Agent
	}, func(c *state.Change, row *state.Advice) { c.DeleteAdvice(row.Pool, row.Backend) })
}

// attend asks one agent again and again, for the first time after first.
func (a *Agents) attend(ctx context.Context, g *agent, first time.Duration) {
	due := time.NewTimer(first)
	defer due.Stop()
	for {
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
		slots := a.slots
		if g.mute {
			slots = a.mutes
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		line, err := a.ask(ctx, g.at, g.timeout)
		<-slots
		if ctx.Err() != nil {
			return
		}
		a.hear(g, line, err)
		spread := 1 + g.jitter*(2*rand.Float64()-1)
		due.Reset(time.Until(began.Add(time.Duration(float64(g.interval) * spread))))
	}
}

// hear takes what an agent has said.
func (a *Agents) hear(g *agent, line string, err error) {
	name, fields := g.pool+"/"+g.backend, []zap.Field{zap.String("pool", g.pool), zap.String("backend", g.backend)}
	if err != nil {
		if !g.mute {
			a.log.Warn(fmt.Sprintf("%s: its agent does not answer, what it said last holds: %v", name, err), fields...)
		}
		g.mute = true
		return
	}
	g.mute = false
	now, strange := heed(g.says, line)
	if len(strange) > 0 && !g.strange {
		a.log.Warn(fmt.Sprintf("%s: its agent says %q, which means nothing here", name, short(strings.Join(strange, " "))), fields...)
	}
	g.strange = len(strange) > 0
	if now == g.says {
		return
	}
	was := g.says
	now.Pool, now.Backend, now.Address, now.Agent = g.pool, g.backend, g.address, g.at
	now.Since, now.Said = time.Now(), short(line)
	g.says = now
	if a.write(g, &now) {
		a.log.Log(loudness(&was, &now), fmt.Sprintf("%s: its agent says %q", name, now.Said), fields...)
	}
}

// write has a row committed soon, and reports false if the agent is not followed any
// more.
func (a *Agents) write(g *agent, row *state.Advice) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.agents[g.key] != g {
		return false
	}
	a.heard[g] = row
	select {
	case a.called <- struct{}{}:
	default:
	}
	return true
}

// collect commits what is heard, many answers at once. What is heard while it ends may
// be lost, as in a crash.
func (a *Agents) collect(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-a.called:
			select {
			case <-time.After(gather):
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		a.mu.Lock()
		a.commit()
		a.mu.Unlock()
	}
}

// commit is called with the lock. All in heard are followed.
func (a *Agents) commit() {
	if len(a.heard) == 0 {
		return
	}
	change := a.store.Change()
	for _, row := range a.heard {
		change.SetAdvice(row)
	}
	change.Commit()
	clear(a.heard)
}

// loudness is how loud it is to be told: weights may change at every answer.
func loudness(was, now *state.Advice) zapcore.Level {
	switch {
	case now.Down && !was.Down:
		return zap.WarnLevel
	case now.Down != was.Down || now.Mode != was.Mode:
		return zap.InfoLevel
	}
	return zap.DebugLevel
}
