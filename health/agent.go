package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	slots chan struct{}

	mu     sync.Mutex // nobody writes for one that is not followed any more
	agents map[key]*agent
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

// mostAgents bounds those that are asked at one time, and so the descriptors they
// hold.
const mostAgents = 256

// NewAgents makes an Agents that asks nobody before Run.
func NewAgents(store *state.Store, log *zap.Logger) *Agents {
	return &Agents{
		store: store, log: log, ask: askAgent,
		slots: make(chan struct{}, mostAgents), agents: map[key]*agent{},
	}
}

// Run asks until ctx is done.
func (a *Agents) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
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
	var stale []*state.Advice
	for row := range view.AllAdvices() {
		if g := a.agents[key{row.Pool, row.Backend}]; g == nil || g.address != row.Address || g.at != row.Agent {
			stale = append(stale, row)
		}
	}
	if len(stale) == 0 {
		return
	}
	change := a.store.Change()
	for _, row := range stale {
		change.DeleteAdvice(row.Pool, row.Backend)
	}
	change.Commit()
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
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		line, err := a.ask(ctx, g.at, g.timeout)
		<-a.slots
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

// write commits a row, and reports false if the agent is not followed any more.
func (a *Agents) write(g *agent, row *state.Advice) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.agents[g.key] != g {
		return false
	}
	change := a.store.Change()
	change.SetAdvice(row)
	change.Commit()
	return true
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

// mostSaid bounds a line of an agent, in bytes.
const mostSaid = 1024

// askAgent connects to an agent and returns its first line.
func askAgent(ctx context.Context, at config.Address, timeout time.Duration) (line string, err error) {
	err = talking(config.Health{}, func(t *talk) error {
		t.doing = "agent " + t.to.String()
		said, err := io.ReadAll(io.LimitReader(untilNewline{t}, mostSaid))
		if err != nil {
			return err
		}
		if len(said) == 0 {
			return io.EOF
		}
		line = string(bytes.TrimSpace(said))
		return nil
	})(ctx, at, timeout)
	return line, err
}

// untilNewline ends with the read that has brought the end of a line; what comes
// behind that is left out.
type untilNewline struct{ io.Reader }

// Read is for io.Reader.
func (u untilNewline) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if i := bytes.IndexAny(p[:n], "\r\n"); i >= 0 {
		return i + 1, io.EOF
	}
	return n, err
}

// short is a line that fits into a reason.
func short(line string) string {
	const most = 60
	if len(line) <= most {
		return line
	}
	return strings.ToValidUTF8(line[:most], "") + "..."
}
