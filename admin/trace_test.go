package admin

import (
	"testing"
	"time"

	"sluice/proxy"
)

func TestTraceKeepsTheLatestMinutes(t *testing.T) {
	var tr traces
	web := subject{listener: "web"}
	now, opened := time.Unix(1000, 0), uint64(0)
	read := func() map[subject]counts {
		return map[subject]counts{web: {active: 2, opened: opened, up: 10 * opened, down: 10 * opened}}
	}
	tr.advance(now, read())
	for range 2 * traceSteps {
		now, opened = now.Add(traceStep), opened+10
		if !tr.due(now) {
			t.Fatal("not due")
		}
		if p := tr.advance(now, read()); len(p) != 1 || p[0] != (Rate{Listener: "web", Connections: 2, Opened: 2, Up: 20, Down: 20}) {
			t.Fatalf("points %+v", p)
		}
	}
	// Three steps in one: what happened is spread over them.
	now, opened = now.Add(3*traceStep), opened+90
	tr.advance(now, read())
	all := tr.all()
	if len(all) != 1 || len(all[0].Opened) != traceSteps {
		t.Fatalf("%d traces, %+v", len(all), all)
	}
	for i, v := range all[0].Opened {
		want := float32(2)
		if i >= traceSteps-3 {
			want = 6
		}
		if v != want || all[0].Connections[i] != 2 || all[0].Bytes[i] != 20*want {
			t.Errorf("step %d: %v opened, %v connections, %v bytes", i, v, all[0].Connections[i], all[0].Bytes[i])
		}
	}
	tr.advance(now.Add(traceStep), map[subject]counts{})
	if len(tr.of) != 0 {
		t.Error("who is gone is kept")
	}
}

func TestRatesAreOfWhatWasCounted(t *testing.T) {
	f := &fake{}
	compiled(t, f)
	r := &f.server.feed.reader
	b1, pool := subject{pool: "web", backend: "b1"}, subject{pool: "web"}
	f.turns.Store(1)
	f.live = []proxy.Moved{{Up: 100, Down: 50}}
	before := r.read()
	for range 3 {
		f.server.meter.tallies.Record(sample(nil)) // 10 up, 20 down
	}
	// The connection that had moved 100 and 50 is gone and not yet in a record.
	f.live = []proxy.Moved{{}}
	f.turns.Store(2)
	after := r.read()
	for _, of := range []subject{b1, pool} {
		if got := rateOf(of, before[of], after[of], 2*time.Second); got.Opened != 1.5 || got.Up != 0 || got.Down != 5 {
			t.Errorf("%v: %+v, want 1.5 opened a second, nothing up, 5 down", of, got)
		}
	}
}
