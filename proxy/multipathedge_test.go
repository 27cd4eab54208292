package proxy

import (
	"io"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// What is done with a client before it is relayed, for one that speaks MPTCP.

func TestClientHelloByMPTCPComesInBytes(t *testing.T) {
	p := newRouted(t, func(l *Listener) { l.Reach.Multipath = true },
		[]Route{{SNI: []string{"api.example.com"}, Pool: poolOf("a", saying(t, "a"))}}, poolOf("main", saying(t, "main")))
	hello := helloOf(t, "api.example.com", "h2")
	c := p.dialMPTCP()
	c.SetNoDelay(true)
	for i := range hello {
		if _, err := c.Write(hello[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	back := make([]byte, 2+len(hello))
	if n, err := io.ReadFull(c, back); string(back) != "a\n"+string(hello) || err != nil {
		t.Errorf("%d bytes came back, %v; want those of a", n, err)
	}
	c.Close()
	if r := p.record(); r.SNI != "api.example.com" || !r.Routed {
		t.Errorf("record %+v", r)
	}
}

func TestWhoLeavesTheQueueByMPTCPFreesItsPlace(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, oneAtATime(t, 1, byMPTCP(Splice)), echo.Address)
	isServed(t, "the first", p.asks("127.0.0.2"))
	quiet, asking, resetting := p.dialMPTCP(), p.dialMPTCP(), p.dialMPTCP()
	asking.Write([]byte("?"))
	p.wantHere("three wait", 3)
	quiet.CloseWrite()
	p.wantHere("one has ended", 2)
	if r := p.record(); r.Cause != QueueLeft {
		t.Errorf("record %+v", r)
	}
	resetting.SetLinger(0)
	resetting.Close()
	p.wantHere("one has reset", 1)
	if r := p.record(); r.Cause != QueueLeft {
		t.Errorf("record %+v", r)
	}
	asking.CloseWrite() // it may want its answer
	if testnet.Until(100*time.Millisecond, func() bool { return p.here() != 1 }) {
		t.Error("one that has asked and ended has lost its place")
	}
}

// A client of MPTCP that has ended and does not read keeps nobody busy while it is
// sent the fallback file: its FIN is no byte that waits.
func TestFallbackByMPTCPRestsWhileNobodyReads(t *testing.T) {
	file, text := sorry(t, 16<<20)
	p := newPlane(t, func(l *Listener, pool *Pool) {
		fallback(file)(l, pool)
		l.Reach.Multipath = true
	})
	c := p.dialMPTCP()
	c.CloseWrite()
	moved := func() uint64 {
		all := p.Conns()
		if len(all) != 1 {
			return 0
		}
		return all[0].Down
	}
	last, still := uint64(0), 0
	testnet.Eventually(t, 30*time.Second, "the client's buffer is full", func() bool {
		if now := moved(); now == 0 || now != last {
			last, still = now, 0
		}
		still++
		return still > 50
	})
	before := p.Turns()
	if testnet.Until(200*time.Millisecond, func() bool { return p.Turns() > before+50 }) {
		t.Errorf("%d turns for a client that does nothing", p.Turns()-before)
	}
	wantAll(t, "when it reads", c, text)
}
