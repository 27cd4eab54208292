package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// A unix socket cannot be reset, so these are about TCP.

// wantReset checks that an error of Receive is a reset after exactly n bytes.
func wantReset(t *testing.T, who string, err error, n, of int64) {
	t.Helper()
	if !testnet.IsReset(err) || !strings.HasPrefix(err.Error(), fmt.Sprintf("after %d of %d bytes", n, of)) {
		t.Errorf("%s got %v, want a reset after %d bytes", who, err, n)
	}
}

func TestBackendResetReachesTheClientAfterTheBytesBeforeIt(t *testing.T) {
	overTCP(t, func(t *testing.T, p Path) {
		for _, n := range []int64{0, 1, 20_000, 12_000_000} {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				front, _, proxy := p.Serve(t, testnet.ResetAfter(1, n), nil)
				c := testnet.Dial(t, front)
				io.WriteString(c, "?")
				wantReset(t, "client", testnet.Stream(1).Receive(c, n), n, n)
				wantRecord(t, proxy, "backend_reset", 1, n)
			})
		}
	})
}

func TestClientResetReachesTheBackendAfterTheBytesBeforeIt(t *testing.T) {
	overTCP(t, func(t *testing.T, p Path) {
		for _, n := range []int64{1, 20_000, 12_000_000} {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				got := make(chan error, 1)
				front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
					io.WriteString(c, "!") // now the client knows that we are there
					got <- testnet.Stream(1).Receive(c, n)
				}, nil)
				c := testnet.Dial(t, front)
				_, err := io.ReadFull(c, make([]byte, 1))
				testnet.Must(t, "greeting", err)
				testnet.Must(t, "send", testnet.Stream(1).Send(c, n))
				testnet.Must(t, "reset", testnet.Reset(c))
				wantReset(t, "backend", <-got, n, n)
				wantRecord(t, proxy, "client_reset", n, 1)
			})
		}
	})
}

// A server that refuses a request early answers and closes without reading the
// rest; the kernel makes that a reset, and the answer must survive it.
func TestAnswerSurvivesTheResetOfUnreadInput(t *testing.T) {
	const n = 50_000
	overTCP(t, func(t *testing.T, p Path) {
		front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			io.ReadFull(c, make([]byte, 100))
			if !testnet.Until(10*time.Second, func() bool { return testnet.Unread(c) > 0 }) {
				return
			}
			testnet.Stream(2).Send(c, n)
			testnet.Delivered(c, 10*time.Second)
		}, nil)
		c := testnet.Dial(t, front)
		testnet.Must(t, "send", testnet.Stream(1).Send(c, 30_000))
		wantReset(t, "client", testnet.Stream(2).Receive(c, n), n, n)
		wantCause(t, proxy, "backend_reset")
	})
}

func TestResetOfAStuckDirectionEndsBoth(t *testing.T) {
	overTCP(t, func(t *testing.T, p Path) {
		full := make(chan error, 1)
		front, peer, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			full <- testnet.Stream(1).Send(c, 1<<40)
		}, nil)
		c := testnet.Dial(t, front)
		testnet.Eventually(t, 30*time.Second, "the backend is connected", func() bool { return peer.Open() == 1 })
		testnet.Eventually(t, 30*time.Second, "bytes have come", func() bool { return testnet.Unread(c) > 0 })
		c.Close() // with unread input: a reset
		select {
		case err := <-full:
			if !testnet.IsReset(err) {
				t.Errorf("backend got %v, want a reset", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the backend was not told")
		}
		wantCause(t, proxy, "client_reset")
	})
}

func TestClientResetWhileConnectingLeavesNothing(t *testing.T) {
	p := Sluice(t, Setup{Backends: []string{testnet.Silent(t)}, Pool: `connect_timeout = "30s"`}.TOML())
	before := p.Sockets()
	c := testnet.Dial(t, p.Front("web"))
	testnet.Eventually(t, 30*time.Second, "sluice connects", func() bool { return p.Sockets() == before+2 })
	testnet.Must(t, "reset", testnet.Reset(c))
	wantRecord(t, p, "client_aborted", 0, 0)
	testnet.Eventually(t, 30*time.Second, "both sockets are closed", func() bool { return p.Sockets() == before })
}

// What a client sends before the backend is there is not lost, and neither is
// its end.
func TestBytesAndEndBeforeTheBackendIsConnectedArrive(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		got := make(chan error, 1)
		front, _, _ := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			got <- testnet.Stream(6).Receive(c, 1000)
		}, nil)
		c, err := testnet.TryDial(front, patience)
		testnet.Must(t, "dial", err)
		testnet.Must(t, "send", testnet.Stream(6).Send(c, 1000))
		testnet.Must(t, "close", c.Close())
		if err := <-got; err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("the backend got %v", err)
		}
	})
}
