package integration

import (
	"context"
	"io"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func TestTermWithoutConnectionsEndsAtOnce(t *testing.T) {
	p := Sluice(t, Setup{Backends: []string{"127.0.0.1:1"}, Runtime: `shutdown_grace = "30s"`}.TOML())
	start := time.Now()
	p.Stop()
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestTermLetsConnectionsEndWithinTheGrace(t *testing.T) {
	overSluice(t, func(t *testing.T, p Path) {
		go1 := make(chan struct{})
		front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			io.WriteString(c, "!")
			<-go1
			testnet.Stream(1).Send(c, answer)
		}, &Setup{Runtime: `shutdown_grace = "30s"`})
		c := testnet.Dial(t, front)
		io.ReadFull(c, make([]byte, 1))
		proxy.Signal(syscall.SIGTERM)
		testnet.Eventually(t, patience, "new clients are refused", func() bool {
			// A client of MPTCP that is let in and goes is noticed after a minute.
			c, err := testnet.TryDial(testnet.ByTCP(front), time.Second)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		close(go1)
		testnet.Must(t, "receive", testnet.Stream(1).Receive(c, answer))
		c.Close()
		start := time.Now()
		if code := proxy.Exit(20 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("the process stayed for %v after its last connection", d)
		}
		if l := proxy.Say(patience, "stopped", Says("stopped")); l.Reset != 0 {
			t.Errorf("got %s, want that nothing was reset", l.Raw)
		}
		if len(proxy.All(func(l Line) bool {
			return Connections(l) && l.Cause == "completed" && l.BytesDown == answer+1
		})) != 1 {
			t.Error("the connection has no record of its end")
		}
	})
}

func TestTermResetsWhatIsLeftAfterTheGrace(t *testing.T) {
	overSluice(t, func(t *testing.T, p Path) {
		told := make(chan error, 5)
		front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			io.WriteString(c, "!")
			_, err := io.ReadFull(c, make([]byte, 1))
			told <- err
		}, &Setup{Runtime: `shutdown_grace = "500ms"`})
		var conns []testnet.Conn
		for range 5 {
			c := testnet.Dial(t, front)
			io.ReadFull(c, make([]byte, 1))
			conns = append(conns, c)
		}
		start := time.Now()
		proxy.Signal(syscall.SIGTERM)
		for _, c := range conns {
			_, err := c.Read(make([]byte, 1))
			if p.client != "unix" && !testnet.IsReset(err) || err == nil {
				t.Errorf("client got %v, want a reset", err)
			}
			if err := <-told; p.server != "unix" && !testnet.IsReset(err) || err == nil {
				t.Errorf("backend got %v, want a reset", err)
			}
		}
		code := proxy.Exit(20 * time.Second)
		if d := time.Since(start); code != 0 || d < 500*time.Millisecond || d > 10*time.Second {
			t.Errorf("exit code %d after %v, want 0 after 500ms", code, d)
		}
		if l := proxy.Say(patience, "stopped", Says("stopped")); l.Reset != 5 {
			t.Errorf("got %s, want 5 reset", l.Raw)
		}
		for _, r := range proxy.All(Connections) {
			if r.Cause != "shutdown" {
				t.Errorf("got record %s", r.Raw)
			}
		}
	})
}

func TestSecondTermResetsAtOnce(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Greet("!"))
	p := Sluice(t, Setup{Backends: []string{peer.Address}, Runtime: `shutdown_grace = "60s"`}.TOML())
	greeted(t, p.Front("web"))
	from := p.Len()
	p.Signal(syscall.SIGTERM)
	if _, ok := p.Await(from, patience, func(Line) bool { return true }); !ok {
		t.Fatal("no word of the first signal")
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
