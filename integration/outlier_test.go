package integration

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// TestBackendThatResetsIsEjectedAndComesBack: one of three accepts and resets.
// Its probes are good, only clients see it. It gets next to none of them, and
// is back once it is well. The whole test has the settings that are there when
// none are given: under 1% from 2 s on, and back 15 s after it is well at the latest.
func TestBackendThatResetsIsEjectedAndComesBack(t *testing.T) {
	var sick atomic.Bool
	var asked atomic.Int64
	sick.Store(true)
	moody := testnet.Start(t, "tcp4", func(ctx context.Context, c testnet.Conn) {
		if !sick.Load() {
			testnet.Name("moody")(ctx, c)
			return
		}
		asked.Add(1)
		testnet.Reset(c)
	})
	a, b := testnet.Start(t, "tcp4", testnet.Name("a")), testnet.Start(t, "tcp4", testnet.Name("b"))
	settings, out := `eject_for = "1500ms"`, "1.5s"
	if os.Getenv(fullVar) != "" {
		settings, out = `consecutive_failures = 5`, "10s"
	}
	p := Sluice(t, Setup{
		Backends: []string{moody.Address, a.Address, b.Address}, Pool: `policy = "round_robin"`,
		Health: `type = "tcp"`, Outlier: settings,
	}.TOML())
	says := func(what string) Line {
		t.Helper()
		l, ok := p.Await(0, 10*time.Second, func(l Line) bool { return strings.HasPrefix(l.Msg, "web/"+moody.Address+" "+what) })
		if !ok {
			t.Fatalf("no line that it is %s:\n%s", what, p.Tail(20))
		}
		return l
	}
	begun := time.Now()
	for range 30 {
		ask(t, p.Front("web"))
	}
	said := says("ejected for " + out + ": ").Msg
	// The reset can overtake the end of the connect.
	if !strings.Contains(said, " failures in a row, the last one: ") || !strings.HasSuffix(said, ": connection reset by peer") {
		t.Errorf("said %q", said)
	}
	// The table that leaves it out follows the line within milliseconds.
	testnet.Eventually(t, time.Second, "it gets none of ten connections", func() bool {
		before := asked.Load()
		for range 10 {
			ask(t, p.Front("web"))
		}
		return asked.Load() == before
	})
	before, all := asked.Load(), int64(0)
	for ; all < 300 || time.Since(begun) < time.Duration(sized(0, 8000))*time.Millisecond; all++ {
		if os.Getenv(fullVar) != "" && time.Since(begun) < 2*time.Second {
			before, all = asked.Load(), 0
		}
		if name, err := ask(t, p.Front("web")); err == nil && name == "" {
			t.Fatal("a client was turned away")
		}
	}
	n := asked.Load() - before
	if 100*n > all { // once more on trial, if this took so long
		t.Errorf("the sick one got %d of %d connections, want under 1%%", n, all)
	}
	sick.Store(false)
	well := time.Now()
	says("let in again")
	testnet.Eventually(t, 15*time.Second, "the well one is chosen again", func() bool {
		name, _ := ask(t, p.Front("web"))
		return name == "moody"
	})
	took := time.Since(well)
	t.Logf("the sick one got %d of %d connections, and was back %v after it was well", n, all, took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("it was back %v after it was well", took)
	}
}
