package proxy

import (
	"net"
	"slices"
	"testing"
	"time"

	"sluice/internal/testnet"
	"sluice/proxy/guard"
)

// stay opens a connection from an address that works, nil if it is turned away.
func (p *plane) stay(ip string) *net.TCPConn {
	p.t.Helper()
	c, err := p.from(ip)
	if err == nil {
		if _, err = testnet.Exchange(c, 1, 100); err != nil {
			c.Close()
			return nil
		}
		p.t.Cleanup(func() { c.Close() })
		return c
	}
	return nil
}

func perSource(most int64) func(*Listener, *Pool) {
	return func(l *Listener, _ *Pool) { l.PerSource.Most, l.SourcePrefix = most, 64 }
}

// wantRoom checks that a source has room for exactly n more.
func (p *plane) wantRoom(what, ip string, n int) (conns []*net.TCPConn) {
	p.t.Helper()
	for range n {
		c := p.stay(ip)
		if c == nil {
			p.t.Fatalf("%s: %s is turned away after %d, want %d", what, ip, len(conns), n)
		}
		conns = append(conns, c)
	}
	if c := p.stay(ip); c != nil {
		p.t.Fatalf("%s: %s has more than %d", what, ip, n)
	}
	return conns
}

// end closes connections and waits until their ends are counted.
func (p *plane) end(conns ...*net.TCPConn) {
	p.t.Helper()
	before := p.active.Load()
	for _, c := range conns {
		c.Close()
	}
	testnet.Eventually(p.t, 30*time.Second, "they have ended", func() bool { return p.active.Load() == before-int64(len(conns)) })
}

func TestASourceHasSoManyConnectionsAndNoMore(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, perSource(3), echo.Address)
	conns := p.wantRoom("at first", "127.0.0.2", 3)
	p.wantRoom("another source", "127.0.0.3", 3)
	if r := p.record(); r.Cause != SourceFull || !r.Refused {
		t.Errorf("record %+v", r)
	}
	p.end(conns[:2]...)
	p.wantRoom("after two have ended", "127.0.0.2", 2)
	if steps, may := p.Guards("web", conns[0].LocalAddr().(*net.TCPAddr).AddrPort().Addr()); may || steps[0] != "its source has 3 of 3 connections" {
		t.Errorf("explained as %v, %v", may, steps)
	}
}

// The count survives a reload of anything, and the next process; a limit that is
// new counts who is there.
func TestTheCountOfASourceIsCarriedOn(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	back := []string{echo.Address}
	p := newPlane(t, nil, back...)
	conns := []*net.TCPConn{p.stay("127.0.0.2"), p.stay("127.0.0.2")}
	counted := func(what string, n int64) {
		t.Helper()
		ip := conns[0].LocalAddr().(*net.TCPAddr).AddrPort().Addr()
		testnet.Eventually(t, 30*time.Second, what, func() bool {
			for _, l := range p.live.Load().listeners {
				if l != nil && l.retired == 0 && l.sources != nil {
					count, _ := l.sources.Look(l.sources.Key(ip), 1, guard.Limits{})
					return count == n
				}
			}
			return n == 0
		})
	}
	p.publish(perSource(4), back...)
	counted("those that were there are counted", 2)
	conns = append(conns, p.wantRoom("a new limit", "127.0.0.2", 2)...)
	p.publish(perSource(5), back...)
	conns = append(conns, p.wantRoom("a higher limit", "127.0.0.2", 1)...)
	p.publish(func(l *Listener, _ *Pool) { l.PerSource.Most, l.SourcePrefix = 5, 56 }, back...)
	counted("another prefix counts anew", 5)
	p.end(conns[0])
	counted("one has ended", 4)
	p.handOver(perSource(5), back)
	counted("the next process counts", 4)
	p.wantRoom("in the next process", "127.0.0.2", 1)
	p.end(conns[1:]...)
	testnet.Eventually(t, 30*time.Second, "the rest ends", func() bool { return p.active.Load() == 1 })
	p.publish(nil, back...)
	p.publish(perSource(1), back...)
	counted("off and on again", 1)
}

func TestRatesTurnAwayWhoComesFaster(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	t.Run("of a source", func(t *testing.T) {
		p := newPlane(t, func(l *Listener, _ *Pool) { l.PerSource.Rate, l.SourcePrefix = guard.NewRate(4, time.Hour/900), 64 }, echo.Address)
		if p.stay("127.0.0.2") == nil || p.stay("127.0.0.2") != nil || p.stay("127.0.0.3") == nil {
			t.Error("one a second for each source is not what came in")
		}
		if r := p.record(); r.Cause != SourceRateLimited {
			t.Errorf("record %+v", r)
		}
		testnet.Eventually(t, 30*time.Second, "a second later", func() bool { return p.stay("127.0.0.2") != nil })
	})
	t.Run("of all", func(t *testing.T) {
		p := newPlane(t, func(l *Listener, _ *Pool) { l.Rate = guard.NewRate(3, time.Hour) }, echo.Address)
		if p.stay("127.0.0.2") == nil || p.stay("127.0.0.3") != nil {
			t.Error("one an hour is not what came in")
		}
		if r := p.record(); r.Cause != RateLimited {
			t.Errorf("record %+v", r)
		}
		if steps, may := p.Guards("web", p.address.Addr()); may || !slices.Equal(steps, []string{"connection_rate is used up"}) {
			t.Errorf("explained as %v, %v", may, steps)
		}
	})
}
