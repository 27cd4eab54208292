package control

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"sluice/balancer"
	"sluice/config"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/state"
)

func TestMain(m *testing.M) { os.Exit(testnet.Main(m)) }

// plane is a data plane made of func fields; a nil one does nothing.
type plane struct {
	open    func(*proxy.Table) (*proxy.Opening, error)
	publish func(*proxy.Table, *proxy.Opening)
	reset   func(*proxy.Backend, proxy.Cause) int
}

func (p plane) Open(t *proxy.Table) (*proxy.Opening, error) {
	if p.open == nil {
		return &proxy.Opening{}, nil
	}
	return p.open(t)
}

func (p plane) Publish(t *proxy.Table, o *proxy.Opening) {
	if p.publish != nil {
		p.publish(t, o)
	}
}

func (p plane) Reset(b *proxy.Backend, why proxy.Cause) int {
	if p.reset == nil {
		return 0
	}
	return p.reset(b, why)
}

func address(port int) config.Address {
	return config.Address{TCP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))}
}

// poolOf makes a pool with backends b1, b2, ... n.
func poolOf(name string, n int) config.Pool {
	p := config.Pool{
		Name: name, Policy: "round_robin", HashOn: "source", Retries: 2, ConnectTimeout: 3 * time.Second,
		Health: config.Health{Type: "tcp", Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3},
	}
	for i := range n {
		p.Backends = append(p.Backends, config.Backend{Name: fmt.Sprintf("b%d", i+1), Address: address(9001 + i), Weight: 1})
	}
	return p
}

func listenerOf(name, pool string) config.Listener {
	return config.Listener{Name: name, Bind: []config.Address{address(8080)}, Pool: pool, Relay: "splice", Reject: "reset"}
}

// configOf has a pool and a listener of each name, three backends in each.
func configOf(names ...string) *config.Config {
	cfg := &config.Config{}
	for _, name := range names {
		cfg.Listeners = append(cfg.Listeners, listenerOf(name, name))
		cfg.Pools = append(cfg.Pools, poolOf(name, 3))
	}
	return cfg
}

func commit(s *state.Store, write func(*state.Change)) {
	c := s.Change()
	defer c.Abort()
	write(c)
	c.Commit()
}

func storeOf(cfg *config.Config) *state.Store {
	s := state.New()
	commit(s, func(c *state.Change) { c.SetConfig(cfg) })
	return s
}

// verdict writes what health would write of a backend as it is now.
func verdict(s *state.Store, pool, backend string, status state.Status) {
	commit(s, func(c *state.Change) {
		v := c.View()
		c.SetHealth(&state.Health{
			Pool: pool, Backend: backend, Status: status,
			Subject: state.SubjectOf(v.Pool(pool), v.Backend(pool, backend)),
		})
	})
}

// eject writes what health would write of a backend as it is now.
func eject(s *state.Store, pool, backend string) {
	commit(s, func(c *state.Change) {
		c.SetEjection(&state.Ejection{Pool: pool, Backend: backend, Address: c.View().Backend(pool, backend).Address, Reason: "broken"})
	})
}

func compile(t testing.TB, s *state.Store, previous *Compiled) *Compiled {
	t.Helper()
	c, err := Compile(s.View(), previous)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return c
}

func (c *Compiled) pool(name string) *proxy.Pool {
	i := slices.IndexFunc(c.Table.Pools, func(p *proxy.Pool) bool { return p.Name == name })
	return c.Table.Pools[i]
}

func (c *Compiled) listener(name string) *proxy.Listener {
	i := slices.IndexFunc(c.Table.Listeners, func(l *proxy.Listener) bool { return l.Name == name })
	return c.Table.Listeners[i]
}

func (c *Compiled) backend(pool, name string) *proxy.Backend {
	p := c.pool(pool)
	i := slices.IndexFunc(p.Backends, func(b *proxy.Backend) bool { return b.Name == name })
	return p.Backends[i]
}

// picked is how often each backend of a pool is picked in n picks.
func picked(t testing.TB, p *proxy.Pool, n int) map[string]int {
	t.Helper()
	for i, b := range p.Backends {
		b.Load.ID = uint32(i + 1)
	}
	counts := map[string]int{}
	for range n {
		ref, verdict := p.Balancer.Pick(&balancer.Request{})
		if verdict == balancer.Picked {
			counts[p.Backends[ref].Name]++
			p.Backends[ref].Load.Release()
		}
	}
	return counts
}
