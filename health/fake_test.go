package health

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/config"
	"sluice/state"
)

var errRefused = errors.New("connect: refused")

// world is a state, a Checker that runs over it, and backends that are as well
// as the test says. It lives in a bubble of synctest.
type world struct {
	store   *state.Store
	checker *Checker
	logs    *observer.ObservedLogs
	cancel  context.CancelFunc
	ended   sync.WaitGroup

	mu    sync.Mutex
	ill   map[config.Address]error
	slow  map[config.Address]time.Duration
	asked map[config.Address][]time.Time
	now   int // in flight
	most  int // in flight at one time
}

func newWorld(cfg *config.Config) *world {
	core, logs := observer.New(zap.DebugLevel)
	w := &world{
		store: state.New(), logs: logs,
		ill: map[config.Address]error{}, slow: map[config.Address]time.Duration{}, asked: map[config.Address][]time.Time{},
	}
	w.checker = New(w.store, zap.New(core))
	w.checker.random = func() float64 { return 0.5 }
	w.checker.probes = map[string]func(config.Health) probe{"fake": func(config.Health) probe { return w.ask }}
	w.reload(cfg)
	return w
}

// begin makes a world and runs it.
func begin(t *testing.T, cfg *config.Config) *world {
	w := newWorld(cfg)
	w.run(t)
	return w
}

func (w *world) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	w.ended.Go(func() { w.checker.Run(ctx) })
	t.Cleanup(w.end)
}

func (w *world) end() {
	w.cancel()
	w.ended.Wait()
}

func (w *world) ask(ctx context.Context, a config.Address, timeout time.Duration) error {
	w.mu.Lock()
	w.asked[a] = append(w.asked[a], time.Now())
	w.now++
	w.most = max(w.most, w.now)
	wait, err := w.slow[a], w.ill[a]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	if wait == 0 {
		return err
	}
	select {
	case <-ctx.Done():
		return unasked{ctx.Err()}
	case <-time.After(min(wait, timeout)):
	}
	if wait > timeout {
		return fmt.Errorf("no answer within %v", timeout)
	}
	return err
}

func (w *world) reload(cfg *config.Config) {
	c := w.store.Change()
	c.SetConfig(cfg)
	c.Commit()
}

// be makes a backend ill, or well again if err is nil.
func (w *world) be(port int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill[address(port)] = err
}

// lag makes a backend answer late.
func (w *world) lag(port int, by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow[address(port)] = by
}

// inFlight is how many probes are under way, and were at most.
func (w *world) inFlight() (now, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.most
}

// times is when a backend was probed, since the test's beginning.
func (w *world) times(port int) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var since []time.Duration
	for _, at := range w.asked[address(port)] {
		since = append(since, at.Sub(midnight))
	}
	return since
}

func (w *world) is(t *testing.T, backend string, want state.Status) {
	t.Helper()
	got := state.Unknown
	if h := w.store.View().Health("web", backend); h != nil {
		got = h.Status
	}
	if got != want {
		t.Errorf("after %v: %s is %v, want %v", time.Since(midnight), backend, got, want)
	}
}

// lines are the messages logged since the last call.
func (w *world) lines() []string {
	var lines []string
	for _, e := range w.logs.TakeAll() {
		lines = append(lines, e.Message)
	}
	slices.Sort(lines)
	return lines
}

// midnight is when every bubble begins.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func address(port int) config.Address {
	ip := netip.AddrFrom4([4]byte{10, byte(port >> 16), byte(port >> 8), byte(port)})
	return config.Address{TCP: netip.AddrPortFrom(ip, 80)}
}

// web has one pool, web, with backends b1 ... bn, at address(1) ... address(n).
func web(n int) *config.Config {
	h := riseTwoFallThree
	h.Type, h.Timeout = "fake", time.Second
	p := config.Pool{Name: "web", Health: h}
	for i := 1; i <= n; i++ {
		p.Backends = append(p.Backends, config.Backend{Name: fmt.Sprintf("b%d", i), Address: address(i), Weight: 1})
	}
	return &config.Config{Pools: []config.Pool{p}}
}
