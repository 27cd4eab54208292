package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// TestStoppingBehindALoadBalancerHurtsNobody restarts two processes in turn behind
// an HAProxy that asks /readyz and tries nothing twice: no client notices.
func TestStoppingBehindALoadBalancerHurtsNobody(t *testing.T) {
	testnet.Need(t, "haproxy")
	echo := testnet.Start(t, "tcp4", testnet.Echo)
	var fronts, admins [2]string
	start := func(i int) *Process {
		return Sluice(t, Setup{
			Bind: []string{fronts[i]}, Backends: []string{echo.Address},
			Runtime: "shutdown_delay = \"3s\"\nshutdown_grace = \"30s\"",
		}.TOML()+fmt.Sprintf("[admin]\nbind = %q\n", admins[i]))
	}
	var running [2]*Process
	servers := ""
	for i := range running {
		fronts[i], admins[i] = testnet.FreeAddress(t, "tcp4"), testnet.FreeAddress(t, "tcp4")
		running[i] = start(i)
		_, port, err := net.SplitHostPort(admins[i])
		testnet.Must(t, "address", err)
		servers += fmt.Sprintf("\tserver s%d %s check port %s inter 300ms fall 2 rise 1\n", i, fronts[i], port)
	}
	front := testnet.FreeAddress(t, "tcp4")
	haproxy(t, fmt.Sprintf(`
listen web
	mode tcp
	bind %s
	retries 0
	timeout check 10s
	option httpchk GET /readyz
	http-check expect status 200
%s`, front, servers)).AwaitAnswer(front)

	var clients sync.WaitGroup
	var served atomic.Int64
	over := make(chan struct{})
	for i := range 8 {
		clients.Go(func() {
			for r := rand.New(rand.NewPCG(uint64(i), 29)); ; {
				select {
				case <-over:
					return
				default:
				}
				if err := talkFor(front, time.Duration(r.IntN(300))*time.Millisecond); err != nil {
					t.Errorf("a client: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	for range sized(1, 10) {
		for i, p := range running {
			p.Signal(syscall.SIGTERM)
			if code := p.Exit(patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if l := p.Say(patience, "stopped", Says("stopped")); l.Reset != 0 {
				t.Errorf("%d connections were reset", l.Reset)
			}
			running[i] = start(i)
			running[i].Say(patience, "it gets clients again", Connections)
		}
	}
	close(over)
	clients.Wait()
	t.Logf("%d clients through %d stops", served.Load(), 2*sized(1, 10))
}

// talkFor has an echo answer for a while.
func talkFor(front string, d time.Duration) error {
	c, err := testnet.TryDial(front, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	for over := time.Now().Add(d); ; {
		if _, err := testnet.Exchange(c, testnet.Stream(1), 1000); err != nil || time.Now().After(over) {
			return err
		}
	}
}
