package proxy

import (
	"io"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// What is observed of real backends: the kernel's time of one that answers, the
// connect timeout for one that refuses; and nothing where the policy is another.
func TestLatencyIsObserved(t *testing.T) {
	for _, timed := range []bool{true, false} {
		echo := testnet.Start(t, "tcp4", testnet.Echo)
		var pool *Pool
		p := newPlaneWith(t, Options{Workers: 1}, func(_ *Listener, to *Pool) { pool = to; to.Latency = timed },
			testnet.Refusing(t), echo.Address)
		for range 4 {
			c := p.dial()
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			if known := pool.Backends[1].Load.Latency(p.clock()) > 0; known != timed {
				t.Errorf("timed %v, but while the first connection is open it is known: %v", timed, known)
			}
			c.Close()
			p.record()
		}
		now := p.clock()
		bad, good := pool.Backends[0].Load.Latency(now), pool.Backends[1].Load.Latency(now)
		if !timed {
			if bad != 0 || good != 0 {
				t.Errorf("another policy: %v and %v observed, want nothing", bad, good)
			}
			continue
		}
		if bad < pool.ConnectTimeout/2 || bad > pool.ConnectTimeout {
			t.Errorf("who refuses counts as %v, want about %v", bad, pool.ConnectTimeout)
		}
		if good <= 0 || good > time.Second {
			t.Errorf("who answers counts as %v", good)
		}
	}
}
