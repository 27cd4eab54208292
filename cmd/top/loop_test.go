package top

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"sluice/admin"
	"sluice/internal/testnet"
)

// fake is a balancer that tells one snapshot and refuses all else.
type fake struct {
	mu    sync.Mutex
	asked []string
	open  func() (io.ReadCloser, error)
}

func (f *fake) Ask(_ context.Context, method, path string, _, _ any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, method+" "+path)
	return errors.New("it is refused")
}

func (f *fake) Events(context.Context) (io.ReadCloser, error) { return f.open() }

// streamOf is a stream of a snapshot, which then ends.
func streamOf(s admin.Snapshot) io.ReadCloser {
	text, _ := json.Marshal(s)
	return io.NopCloser(strings.NewReader("event: snapshot\ndata: " + string(text) + "\n\n"))
}

// onTerminal runs top on a terminal, and returns its outcome, or its panic as
// one.
func onTerminal(t *testing.T, from Balancer) (*testnet.Terminal, <-chan error) {
	t.Helper()
	testnet.Leaks(t)
	term := testnet.NewTerminal(t, 80, 24)
	in, err := os.Open(term.Inside.Name())
	testnet.Must(t, "terminal", err)
	t.Cleanup(func() { in.Close() })
	over := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				over <- fmt.Errorf("panic: %v", p)
			}
		}()
		over <- Run(context.Background(), from, in, term.Inside, false)
	}()
	return term, over
}

func ends(t *testing.T, term *testnet.Terminal, over <-chan error) error {
	t.Helper()
	if !testnet.Until(patience, func() bool { return len(over) > 0 }) {
		t.Fatalf("it does not end; the screen:\n%s", term.Screen())
	}
	return <-over
}

func TestPanicLeavesTheTerminalAsItWas(t *testing.T) {
	gate := make(chan struct{})
	from := &fake{open: func() (io.ReadCloser, error) { <-gate; panic("of a bug") }}
	term, over := onTerminal(t, from)
	term.Sees(patience, "the screen", func(s string) bool { return strings.Contains(s, "waiting for the first news") })
	inside := term.Modes()
	close(gate)
	err := ends(t, term, over)
	if err == nil || !strings.Contains(err.Error(), "panic: of a bug") || !strings.Contains(err.Error(), "loop_test.go") {
		t.Errorf("got %v, want the panic and where it was", err)
	}
	fresh := testnet.NewTerminal(t, 80, 24).Modes()
	if after := term.Modes(); after != fresh || after == inside {
		t.Errorf("the modes are %+v, want %+v; inside they were %+v", after, fresh, inside)
	}
	if !testnet.Until(patience, func() bool { return term.Mode("25") && !term.Mode("1049") }) {
		t.Error("the cursor or the screen is not back")
	}
}

func TestALostStreamIsToldAndAskedForAgain(t *testing.T) {
	next := make(chan io.ReadCloser, 1)
	next <- streamOf(sample())
	from := &fake{open: func() (io.ReadCloser, error) {
		select {
		case s := <-next:
			return s, nil
		default:
			return nil, errors.New("no sluice answers")
		}
	}}
	term, over := onTerminal(t, from)
	term.Sees(patience, "that it is lost", func(s string) bool {
		return strings.Contains(s, "lost: no sluice answers; this is of ") && strings.Contains(s, "pool web  first")
	})
	other := sample()
	other.Pools = other.Pools[:1]
	next <- streamOf(other)
	term.Sees(patience, "what is new", func(s string) bool { return strings.Contains(s, "pool api") && !strings.Contains(s, "pool web") })

	term.Type("d") // of the first backend
	term.Sees(patience, "the question", func(s string) bool { return strings.Contains(s, "drain api/a1?") })
	term.Type("\x1b")
	term.Sees(patience, "no question", func(s string) bool { return strings.Contains(s, "q quit") })
	term.Type("dy")
	term.Sees(patience, "that it is refused", func(s string) bool { return strings.HasSuffix(s, "it is refused") })
	from.mu.Lock()
	if got := strings.Join(from.asked, ", "); got != "PATCH /v1/pools/api/backends/a1" {
		t.Errorf("asked %s", got)
	}
	from.mu.Unlock()
	term.Type("q")
	if err := ends(t, term, over); err != nil {
		t.Error(err)
	}
}

func TestDocuments(t *testing.T) {
	for _, tt := range []struct {
		name    string
		streams int
		most    int
		printed int
		err     string
	}{
		{"none answers", 0, 0, 0, "no sluice answers"},
		{"as many as asked for", 1, 1, 1, ""},
		{"over a handover", 2, 2, 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left := tt.streams
			from := &fake{open: func() (io.ReadCloser, error) {
				if left--; left < 0 {
					return nil, errors.New("no sluice answers")
				}
				return streamOf(sample()), nil
			}}
			var out bytes.Buffer
			var said []string
			err := Print(context.Background(), from, &out, tt.most, func(text string) { said = append(said, text) })
			if got := strings.Count(out.String(), "\n"); got != tt.printed || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("%d documents, %v; said %q", got, err, said)
			}
			if tt.streams == 2 && (len(said) != 1 || said[0] != "the process has ended the stream; asking again") {
				t.Errorf("said %q", said)
			}
		})
	}
}
