package integration

import (
	"context"
	"io"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// overSluice runs a test over the paths with a sluice on them.
func overSluice(t *testing.T, f func(t *testing.T, p Path)) {
	overPaths(t, func(p Path) bool { return !p.Direct() }, f)
}

// wantEnd waits for the connection's end and checks that it came when due.
func wantEnd(t *testing.T, c testnet.Conn, since time.Time, due time.Duration) {
	t.Helper()
	n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	if d := time.Since(since); n != 0 || d < due || d > due+10*time.Second {
		t.Errorf("got %d bytes and %v after %v, want the end after %v", n, err, d, due)
	}
}

func TestIdleConnectionEndsWhenItsTimeIsOver(t *testing.T) {
	overSluice(t, func(t *testing.T, p Path) {
		front, _, proxy := p.Serve(t, testnet.Echo, &Setup{Listener: `idle_timeout = "300ms"`})
		c := testnet.Dial(t, front)
		start := time.Now()
		_, err := testnet.Exchange(c, 1, 10)
		testnet.Must(t, "exchange", err)
		wantEnd(t, c, start, 290*time.Millisecond)
		wantRecord(t, proxy, "idle_timeout", 10, 10)
	})
}

func TestBytesOfEitherSideKeepAConnection(t *testing.T) {
	for name, tc := range map[string]struct{ up, down bool }{"up": {true, false}, "down": {false, true}} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{})
			defer close(over)
			// Ten bytes with pauses of a fifth of the timeout: together twice it.
			beat := func(c io.Writer) {
				tick := time.NewTicker(300 * time.Millisecond)
				defer tick.Stop()
				for range 10 {
					<-tick.C
					c.Write([]byte("."))
				}
			}
			got := make(chan error, 1)
			peer := testnet.Start(t, "tcp4", func(ctx context.Context, c testnet.Conn) {
				if tc.down {
					beat(c)
				} else {
					_, err := io.ReadFull(c, make([]byte, 10))
					got <- err
				}
				select {
				case <-over:
				case <-ctx.Done():
				}
			})
			p := Sluice(t, Setup{Backends: []string{peer.Address}, Listener: `idle_timeout = "1500ms"`}.TOML())
			c := testnet.Dial(t, p.Front("web"))
			var err error
			if tc.up {
				beat(c)
				err = <-got
			} else {
				_, err = io.ReadFull(c, make([]byte, 10))
			}
			testnet.Must(t, "ten bytes, one every fifth of the timeout", err)
		})
	}
}

func TestHalfClosedConnectionEndsWhenTheOtherSideIsSilent(t *testing.T) {
	overSluice(t, func(t *testing.T, p Path) {
		setup := &Setup{Listener: "half_close_timeout = \"300ms\"\nidle_timeout = \"1h\""}
		t.Run("backend", func(t *testing.T) {
			front, _, proxy := p.Serve(t, testnet.Blackhole, setup)
			c := testnet.Dial(t, front)
			start := time.Now()
			c.CloseWrite()
			wantEnd(t, c, start, 290*time.Millisecond)
			wantRecord(t, proxy, "backend_silent", 0, 0)
		})
		t.Run("client", func(t *testing.T) {
			ended := make(chan time.Duration, 1)
			front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
				start := time.Now()
				c.CloseWrite()
				io.Copy(io.Discard, c)
				ended <- time.Since(start)
			}, setup)
			testnet.Dial(t, front)
			if d := <-ended; d < 290*time.Millisecond || d > 10*time.Second {
				t.Errorf("the backend saw the end after %v, want 300ms", d)
			}
			wantRecord(t, proxy, "client_silent", 0, 0)
		})
	})
}

// half_close_timeout is about silence, not about the length of the answer.
func TestHalfClosedConnectionLivesWhileBytesCome(t *testing.T) {
	peer := testnet.Start(t, "tcp4", func(_ context.Context, c testnet.Conn) {
		io.Copy(io.Discard, c)
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for range 10 {
			<-tick.C
			c.Write([]byte("."))
		}
	})
	p := Sluice(t, Setup{Backends: []string{peer.Address}, Listener: `half_close_timeout = "1500ms"`}.TOML())
	if text, err := ask(t, p.Front("web")); text != ".........." || err != nil {
		t.Errorf("got %q, %v, want ten dots", text, err)
	}
}
