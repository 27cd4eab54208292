package proxy

import (
	"io"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func TestLiveBytesAreThoseOfLiveConns(t *testing.T) {
	a, b := testnet.Start(t, "tcp4", testnet.Echo), testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, a.Address, b.Address)
	if l, bs, ok := p.LiveBytes(); !ok || len(l)+len(bs) != 0 {
		t.Errorf("at the start %v, %v, %v", l, bs, ok)
	}
	conns := relayed(p, 6)
	l, bs, ok := p.LiveBytes()
	backends := p.Table().Pools[0].Backends
	if three := (Moved{3, 3}); !ok || l["web"] != (Moved{6, 6}) || bs[backends[0]] != three || bs[backends[1]] != three {
		t.Errorf("listeners %v, backends %v", l, bs)
	}
	for _, c := range conns {
		c.Close()
	}
	testnet.Eventually(t, 30*time.Second, "none left", func() bool { l, _, _ := p.LiveBytes(); return len(l) == 0 })
	p.Shutdown(t.Context(), 0)
	if _, _, ok := p.LiveBytes(); ok {
		t.Error("an answer after the end")
	}
	if got := p.WorkerTimes(); got != nil {
		t.Errorf("times %v after the end", got)
	}
}

func TestWorkersSayHowTheyDo(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	before := p.WorkerTimes()
	for range 50 {
		relayed(p, 20)
	}
	after := p.WorkerTimes()
	if len(before) != 2 || len(after) != 2 {
		t.Fatalf("%d and %d workers, want 2", len(before), len(after))
	}
	sum := time.Duration(0)
	for i := range after {
		sum += after[i].CPU - before[i].CPU
		if after[i].Lag <= 0 || before[i].CPU <= 0 || after[i].CPU < before[i].CPU {
			t.Errorf("worker %d: %v, then %v", i, before[i], after[i])
		}
	}
	if sum < time.Millisecond {
		t.Errorf("a thousand connections cost %v", sum)
	}
}

// One in so many is asked, and what the kernel says of loopback is plausible.
func TestOneInSoManyIsAskedForItsRoundTrip(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlaneWith(t, Options{Workers: 1}, nil, echo.Address)
	const n = 4 * sampleOneIn
	for range n {
		c := p.dial()
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		c.CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	}
	asked := 0
	for range n {
		r := p.record()
		if r.RTT > time.Second || r.Retransmits != 0 || r.Copied {
			t.Errorf("record %+v", r)
		}
		if r.RTT > 0 {
			asked++
		}
	}
	if asked != n/sampleOneIn {
		t.Errorf("%d of %d were asked, want %d", asked, n, n/sampleOneIn)
	}
}

// What clients do is counted, and a question is not: who asks again only when
// something was done lets the workers sleep.
func TestTurnsAreThoseForClients(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, nil, echo.Address)
	c := p.dial()
	defer c.Close()
	talk := func() {
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
	}
	talk()
	before := p.Turns()
	talk()
	if p.Turns() == before {
		t.Error("a byte went both ways, and no turn is counted")
	}
	testnet.Eventually(t, 30*time.Second, "ten questions are no turns", func() bool {
		before := p.Turns()
		for range 10 {
			p.LiveBytes()
		}
		return p.Turns() == before
	})
}
