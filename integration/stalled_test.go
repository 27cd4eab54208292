package integration

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// endless sends without end, in small pieces, so that sent is close to the truth.
func endless(s testnet.Stream, w io.Writer, sent *atomic.Int64) {
	p := make([]byte, 16<<10)
	for at := int64(0); ; at += int64(len(p)) {
		s.Fill(p, at)
		n, err := w.Write(p)
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func TestClientThatStopsReadingHarmsNobody(t *testing.T) {
	overSluice(t, func(t *testing.T, p Path) {
		var sent atomic.Int64
		front, _, proxy := p.Serve(t, func(ctx context.Context, c testnet.Conn) {
			wish := make([]byte, 1)
			io.ReadFull(c, wish)
			switch string(wish) {
			case "e":
				testnet.Echo(ctx, c)
			case "s":
				endless(1, c, &sent)
			}
		}, nil)
		before := proxy.Usage()
		stuck := testnet.Dial(t, front)
		io.WriteString(stuck, "s")

		testnet.Eventually(t, patience, "the backend sends", func() bool { return sent.Load() > 0 })
		held := testnet.Still(t, patience, 200*time.Millisecond, "the backend can send no more", sent.Load) // time for many megabytes
		if held > 64<<20 {
			t.Errorf("%d MiB are on their way to a client that does not read", held>>20)
		}
		if quiet := quietCPU(proxy, time.Second); quiet > 0.05 {
			t.Errorf("sluice uses %.0f%% of a CPU for a client that does not read", 100*quiet)
		}
		for range 20 {
			c := testnet.Dial(t, front)
			io.WriteString(c, "e")
			if d, err := testnet.Exchange(c, 2, 100_000); err != nil || d > time.Second {
				t.Errorf("another client got %v after %v", err, d)
			}
			c.Close()
		}
		if n := sent.Load(); n != held {
			t.Errorf("%d more bytes were taken meanwhile", n-held)
		}
		if grown := proxy.Usage().RSS - before.RSS; grown > 16<<20 {
			t.Errorf("sluice has grown by %d KiB", grown>>10)
		}
		// It goes on where it stopped.
		n := held + 50<<20
		testnet.Must(t, "what the client reads at last", testnet.Stream(1).Receive(io.LimitReader(stuck, n), n))
	})
}
