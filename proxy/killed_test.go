package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// A process that is killed at any moment, again and again, while it relays in both
// directions, accepts, connects and closes, loses no connection and no byte.
func TestKilledAtAnyMoment(t *testing.T) {
	for _, relay := range relays {
		t.Run(fmt.Sprint(relay), func(t *testing.T) {
			echo := testnet.Start(t, "tcp4", testnet.Echo)
			l := newLine(t, orders{Workers: 2, Relay: relay, Backends: []string{echo.Address}}, "")
			address := l.address.String()
			over := make(chan struct{})
			var running sync.WaitGroup
			var mutex sync.Mutex
			talks := 0
			for i, size := range [...]int64{64 << 20, 2 << 20, 100 << 10, 1000, 1} {
				running.Go(func() {
					for {
						if err := talkOnce(address, testnet.Stream(i), size); err != nil {
							t.Errorf("a talk of %d bytes: %v", size, err)
							return
						}
						mutex.Lock()
						talks++
						mutex.Unlock()
						select {
						case <-over:
							return
						default:
						}
					}
				})
			}
			const kills = 12
			carried := 0
			for range kills {
				time.Sleep(time.Duration(rand.IntN(int(60 * time.Millisecond)))) // any moment
				l.stop()
				c := l.succeed("")
				if c.Reset > 0 || len(c.Why) > 0 {
					t.Errorf("%+v", c)
				}
				carried += c.Connections
			}
			close(over)
			running.Wait()
			s := l.idle()
			l.end()
			t.Logf("%d talks, %d carried in %d kills", talks, carried, kills)
			if s.Accepted != uint64(talks) || s.Closed[fmt.Sprint(int(Completed))] != uint64(talks) || carried < kills {
				t.Errorf("%d talks, %d carried: %+v", talks, carried, s)
			}
			if n := len(l.records); n < talks || n > talks+kills { // one may be told of again
				t.Errorf("%d records of %d talks", n, talks)
			}
		})
	}
}

// talkOnce exchanges a stream over a connection of its own, and finishes.
func talkOnce(address string, s testnet.Stream, size int64) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return exchangeAll(c, s, size)
}

// exchangeAll sends a stream, expects it back, and finishes in both directions.
func exchangeAll(c net.Conn, s testnet.Stream, size int64) error {
	if _, err := testnet.Exchange(c.(testnet.Conn), s, size); err != nil {
		return err
	}
	if err := c.(testnet.Conn).CloseWrite(); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, c)
	if n != 0 {
		return fmt.Errorf("%d bytes too many", n)
	}
	return err
}
