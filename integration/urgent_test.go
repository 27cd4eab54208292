package integration

import (
	"context"
	"io"
	"testing"

	"sluice/internal/testnet"
)

// overUrgent runs a test over every path that has urgent bytes: MPTCP has none.
func overUrgent(t *testing.T, f func(t *testing.T, p Path)) {
	overPaths(t, func(p Path) bool { return p.TCP() && p.client != "mptcp" }, f)
}

// An urgent byte is not in the stream of who does not ask for it. Over a
// direct connection nobody who reads in the ordinary way sees it, and the
// bytes around it arrive.
func TestUrgentByteNeitherEndsNorCorruptsAStream(t *testing.T) {
	overUrgent(t, func(t *testing.T, p Path) {
		const half = 300_000
		halves := func(c testnet.Conn) error {
			buf := make([]byte, 2*half)
			testnet.Stream(1).Fill(buf, 0)
			if _, err := c.Write(buf[:half]); err != nil {
				return err
			}
			if err := testnet.SendUrgent(c, '!'); err != nil {
				return err
			}
			if _, err := c.Write(buf[half:]); err != nil {
				return err
			}
			return c.CloseWrite()
		}
		for _, way := range []string{"up", "down"} {
			t.Run(way, func(t *testing.T) {
				got := make(chan error, 1)
				front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
					if way == "up" {
						got <- testnet.Stream(1).Receive(testnet.PastMarks(c), 2*half)
						return
					}
					got <- halves(c)
					io.Copy(io.Discard, c)
				}, nil)
				c := testnet.Dial(t, front)
				if way == "up" {
					testnet.Must(t, "send", halves(c))
					testnet.Must(t, "what the backend received", <-got)
					c.Close()
				} else {
					testnet.Must(t, "receive", testnet.Stream(1).Receive(testnet.PastMarks(c), 2*half))
					testnet.Must(t, "send", <-got)
					c.Close()
				}
				wantCause(t, proxy, "completed")
			})
		}
	})
}

func TestUrgentByteArrivesAsUrgent(t *testing.T) {
	overUrgent(t, func(t *testing.T, p Path) {
		ends := make(chan testnet.Conn, 1)
		front, _, _ := p.Serve(t, func(ctx context.Context, c testnet.Conn) {
			ends <- c
			<-ctx.Done()
		}, nil)
		client := testnet.Dial(t, front)
		backend := <-ends
		for name, way := range map[string][2]testnet.Conn{"up": {client, backend}, "down": {backend, client}} {
			t.Run(name, func(t *testing.T) {
				from, to := way[0], way[1]
				for i := range 20 {
					mark := byte('a' + i)
					io.WriteString(from, "12345")
					testnet.Must(t, "send urgent", testnet.SendUrgent(from, mark))
					io.WriteString(from, "67890")
					// Who reads past the mark has forgotten the byte.
					var got byte
					testnet.Eventually(t, patience, "the urgent byte is there", func() bool {
						var err error
						got, err = testnet.Urgent(to)
						return err == nil
					})
					normal := make([]byte, 10)
					if _, err := io.ReadFull(testnet.PastMarks(to), normal); err != nil || got != mark || string(normal) != "1234567890" {
						t.Fatalf("got urgent %q and normal %q, %v, want %q", got, normal, err, mark)
					}
				}
			})
		}
	})
}

func TestUrgentByteAtTheVeryEndOrAlone(t *testing.T) {
	overUrgent(t, func(t *testing.T, p Path) {
		for _, n := range []int64{0, 1, 1000} {
			got := make(chan error, 1)
			front, _, _ := p.Serve(t, func(_ context.Context, c testnet.Conn) {
				got <- testnet.Stream(1).Receive(testnet.PastMarks(c), n)
			}, nil)
			c := testnet.Dial(t, front)
			testnet.Must(t, "send", testnet.Stream(1).Send(c, n))
			testnet.Must(t, "send urgent", testnet.SendUrgent(c, '!'))
			testnet.Must(t, "finish", c.CloseWrite())
			testnet.Must(t, "what the backend received", <-got)
		}
	})
}
