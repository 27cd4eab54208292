package integration

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/internal/testnet"
)

// Reloads under load, half of them of broken files: no client is refused or cut
// short, those that live stay, and nothing is left open.
func TestReloadsUnderLoadTouchNobody(t *testing.T) {
	const reloads = 200
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	one := testnet.FreeAddress(t, "tcp4")
	good := func(n int) string {
		return table("one", one, echo.Address) + fmt.Sprintf("retries = %d\n[listeners.l%d]\nbind = \"127.0.0.1:0\"\npool = \"one\"\n", n%8, n%3)
	}
	broken := func(n int) string {
		return []string{
			"[listeners.one\n",
			good(n) + "weigth = 3\n",
			strings.Replace(good(n), `pool = "one"`, `pool = "two"`, 1),
		}[n%3]
	}
	p := Sluice(t, good(0))
	var live []testnet.Conn
	for range 20 {
		c := testnet.Dial(t, one)
		wantAlive(t, "at the start", c)
		live = append(live, c)
	}
	descriptors := func() int { return len(testnet.DescriptorsOf(fmt.Sprint(p.PID()))) }
	before := descriptors()

	var stop atomic.Bool
	var served atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				c, err := testnet.TryDial(one, patience)
				if err != nil {
					t.Errorf("a client was refused: %v", err)
					return
				}
				_, err = testnet.Exchange(c, 1, 1000)
				if err == nil {
					c.CloseWrite()
					_, err = io.Copy(io.Discard, c)
				}
				c.Close()
				if err != nil {
					t.Errorf("a client was cut short: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range reloads {
		toml := good(n)
		if n%2 == 1 {
			toml = broken(n)
		}
		if taken, lines := p.Reload(toml); taken != (n%2 == 0) {
			t.Errorf("reload %d: taken %v: %v", n, taken, lines)
		}
	}
	stop.Store(true)
	clients.Wait()
	for i, c := range live {
		wantAlive(t, fmt.Sprint("connection ", i, " after the reloads"), c)
	}
	if served.Load() < reloads {
		t.Errorf("%d clients served, want load", served.Load())
	}
	t.Logf("%d clients served through %d reloads", served.Load(), reloads)
	testnet.Eventually(t, patience, "as many descriptors as before", func() bool { return descriptors() <= before })
}
