package integration

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// A delayed acknowledgement takes 40 ms, and a corked tail 200 ms. Both would
// strike in most rounds; this machine being busy strikes in few.
const delayed = 35 * time.Millisecond

// wantPrompt checks that rounds are not delayed as a rule.
func wantPrompt(t *testing.T, rounds []time.Duration) {
	t.Helper()
	slices.Sort(rounds)
	if d := rounds[len(rounds)*3/4]; d > delayed {
		t.Errorf("a quarter of the rounds took %v and more, want them below %v", d, delayed)
	}
}

// parts writes a message in three small writes.
func parts(w io.Writer) {
	for _, part := range []string{"a small head ", "and a body that is ", "in three pieces"} {
		io.WriteString(w, part)
	}
}

const partsLen = len("a small head and a body that is in three pieces")

func TestMessageInThreeSmallWritesIsNotDelayed(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		front, _, _ := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			for {
				if _, err := io.ReadFull(c, make([]byte, partsLen)); err != nil {
					return
				}
				parts(c)
			}
		}, nil)
		c := testnet.Dial(t, front)
		rounds := make([]time.Duration, 40)
		for i := range rounds {
			start := time.Now()
			parts(c)
			_, err := io.ReadFull(c, make([]byte, partsLen))
			testnet.Must(t, "answer", err)
			rounds[i] = time.Since(start)
		}
		wantPrompt(t, rounds)
	})
}

// The first message of a connection takes another way through the kernel.
func TestFirstMessageIsNotDelayed(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		front, _, _ := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			if _, err := io.ReadFull(c, make([]byte, partsLen)); err == nil {
				parts(c)
				io.Copy(io.Discard, c)
			}
		}, nil)
		rounds := make([]time.Duration, 40)
		for i := range rounds {
			start := time.Now()
			c := testnet.Dial(t, front)
			parts(c)
			_, err := io.ReadFull(c, make([]byte, partsLen))
			testnet.Must(t, "answer", err)
			rounds[i] = time.Since(start)
			c.Close()
		}
		wantPrompt(t, rounds)
	})
}

func TestServerThatSpeaksFirstIsHeardAtOnce(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		const greeting = "220 ready\r\n"
		front, _, _ := p.Serve(t, testnet.Greet(greeting), nil)
		rounds := make([]time.Duration, 40)
		for i := range rounds {
			start := time.Now()
			c := testnet.Dial(t, front)
			got := make([]byte, len(greeting))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != greeting {
				t.Fatalf("got %q, %v", got, err)
			}
			rounds[i] = time.Since(start)
			_, err := testnet.Exchange(c, 1, 100)
			testnet.Must(t, "echo after the greeting", err)
			c.Close()
		}
		wantPrompt(t, rounds)
	})
}
