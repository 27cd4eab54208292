package proxy

import (
	"fmt"
	"net"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// asksAt is asks for one that is to be held, and returns the worker that has it.
func (p *plane) asksAt(ip string) (c *net.TCPConn, at int) {
	p.t.Helper()
	was := make([]int32, len(p.workers))
	for i, w := range p.workers {
		was[i] = w.load.Load()
	}
	c = p.asks(ip)
	testnet.Eventually(p.t, 30*time.Second, "a worker has it", func() bool {
		for i, w := range p.workers {
			if at = i; w.load.Load() > was[i] {
				return true
			}
		}
		return false
	})
	return c, at
}

// TestAFreedSlotWakesAWaiterOfAnotherWorker: the backend is full with a connection of
// one worker, and its end lets in one that waits at the other.
func TestAFreedSlotWakesAWaiterOfAnotherWorker(t *testing.T) {
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	p := newPlane(t, oneAtATime(t, 1, nil), echo.Address)
	now, home := p.asksAt("127.0.0.2")
	isServed(t, "the first", now)
	var line []*net.TCPConn
	for at := home; at == home; { // until a worker has so many that it leaves the doors to the other
		if len(line) > 50 {
			t.Fatal("one worker has them all")
		}
		var c *net.TCPConn
		c, at = p.asksAt(fmt.Sprintf("127.0.0.%d", 3+len(line)))
		line = append(line, c)
		p.wantHere("they wait", int64(len(line)))
	}
	for i, c := range line {
		now.Close()
		isServed(t, fmt.Sprint("waiting number ", i), c)
		now = c
	}
}
