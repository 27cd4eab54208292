package integration

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func churn() error {
	n, _ := strconv.Atoi(os.Args[1])
	var next, failed atomic.Int64
	var first atomic.Pointer[error]
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := once(int(i)); err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	clients.Wait()
	if err := first.Load(); err != nil {
		return fmt.Errorf("%d of %d connections failed, the first: %w", failed.Load(), n, *err)
	}
	fmt.Println(`{"msg":"done"}`)
	return nil
}

// once is a connection with one request. Every other client closes first.
func once(i int) error {
	c, err := from(i, os.Args[2:])
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := testnet.Exchange(c, testnet.Stream(i), int64(1+i%500)); err != nil || i%2 == 0 {
		return err
	}
	c.CloseWrite()
	_, err = io.Copy(io.Discard, c)
	return err
}

func TestShortConnectionsLeaveNothing(t *testing.T) {
	backends := []string{testnet.FreeAddress(t, "tcp4"), testnet.FreeAddress(t, "tcp4")}
	_, echo := Helper(t, "echo", backends...)
	echo.Await(0, patience, Says("ready"))
	for _, relay := range []string{"splice", "copy"} {
		n := 10_000
		if testnet.All() && relay == "splice" {
			n = 60_000
		}
		t.Run(relay, func(t *testing.T) {
			p := Sluice(t, Setup{
				Bind:     []string{"127.0.3.1:0", "127.0.3.2:0", "127.0.3.3:0", "127.0.3.4:0"},
				Backends: backends, Relay: relay, Access: "errors",
			}.TOML())
			load := func(n int) Usage {
				_, said := Helper(t, "churn", append([]string{strconv.Itoa(n)}, p.Fronts("web")...)...)
				if _, ok := said.Await(0, 3*time.Minute, Says("done")); !ok {
					t.Fatal("the load failed")
				}
				testnet.Eventually(t, patience, "every connection has ended", func() bool { return p.Sockets() == 4 })
				return p.Usage()
			}
			before := load(2000) // what grows once has grown
			after := load(n)
			t.Logf("before %v\nafter  %v", before, after)
			if after.Others != before.Others || after.Pipes > before.Pipes+32 {
				t.Errorf("descriptors: before %v, after %v", before, after)
			}
			if grown := after.RSS - before.RSS; grown > 8<<20 {
				t.Errorf("%d KiB more after %d connections", grown>>10, n)
			}
			if bad := p.All(Connections); len(bad) > 0 {
				t.Errorf("%d connections failed, for one %s", len(bad), bad[0].Raw)
			}
			if last := p.Stop(); last.Accepted != int64(n+2000) {
				t.Errorf("got %s, want %d accepted", last.Raw, n+2000)
			}
		})
	}
}
