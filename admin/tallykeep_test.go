package admin

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/testnet"
	"sluice/proxy"
)

// shown is what a scrape says of sluice itself.
func shown(t *testing.T, at string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(ask(t, at, "GET", "/metrics", "").body) {
		if strings.HasPrefix(line, "sluice_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return lines
}

// What a process has shown, the one after it goes on from, however soon after
// that it was killed.
func TestWhatWasCountedOutlivesTheProcess(t *testing.T) {
	f := &fake{live: []proxy.Moved{{Up: 7, Down: 9}}}
	at, _ := compiled(t, f)
	tallies := f.server.meter.tallies
	var mu sync.Mutex
	var saved []byte
	tallies.KeepBy(func(text []byte) { mu.Lock(); saved = text; mu.Unlock() })
	tallies.keep.rest = time.Hour // it is the scrape that saves
	tallies.Record(sample(func(r *proxy.Record) { r.RTT, r.Retransmits = 4, 3 }))
	tallies.Record(sample(func(r *proxy.Record) { r.Copied, r.Cause = true, proxy.BackendReset }))
	tallies.Record(sample(func(r *proxy.Record) { r.Backend, r.Cause, r.Connect, r.FirstByte = "", proxy.NoBackend, -1, 0 }))
	tallies.ConnectFailed("web", "b1")
	tallies.ConnectFailed("web", "gone")
	f.server.Transition(Transition{Pool: "web", Backend: "b1", To: "ejected"})
	tallies.Record(sample(func(r *proxy.Record) { r.Queued = time.Second }))
	f.forgotten = 3
	want := shown(t, at)

	next := NewTallies()
	mu.Lock()
	testnet.Must(t, "restore", next.Restore(saved))
	mu.Unlock()
	if next.failed[backendKey{"web", "gone"}] != 1 {
		t.Error("the failed connects of a backend that never had a connection are lost")
	}
	f.server.meter.tallies = next
	f.forgotten = 0            // each process counts them from zero
	f.live = []proxy.Moved{{}} // what lived may have ended in between
	got := shown(t, at)
	for i := range want {
		if strings.HasPrefix(want[i], "sluice_log_lines_lost_total") {
			want[i] = "sluice_log_lines_lost_total 12" // 6 by each
		}
		if i < len(got) && got[i] != want[i] {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	if line := `sluice_backend_transitions_total{backend="b1",pool="web",to="ejected"} 1`; !slices.Contains(got, line) {
		t.Errorf("no %s", line)
	}
}

func TestTalliesAreSavedSoonAfterAChangeAndNeverOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tallies := NewTallies()
		saved := 0
		tallies.KeepBy(func([]byte) { saved++ })
		tallies.Record(sample(nil))
		tallies.ConnectFailed("web", "b1")
		time.Sleep(keepWithin)
		synctest.Wait()
		if saved != 1 {
			t.Errorf("saved %d times after a change, want once", saved)
		}
		tallies.Save()
		time.Sleep(time.Minute)
		synctest.Wait()
		if saved != 1 {
			t.Errorf("saved %d times, but nothing has changed", saved-1)
		}
	})
}

func TestTalliesThatCannotBeUnderstoodAreRefused(t *testing.T) {
	for _, text := range []string{"", "{}", `{"listeners":{"web":null},"high":{},"connect":{},"first_byte":{},"duration":{}}`,
		`{"listeners":{},"high":{},"connect":{"web":{}},"first_byte":{},"duration":{}}`} {
		tallies := NewTallies()
		if err := tallies.Restore([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
		tallies.Record(sample(nil))
	}
	tallies := NewTallies()
	const next = `{"listeners":{"web":{"closed":{"completed":2,"of_a_later_version":3}}},"high":{},"connect":{},"first_byte":{},"duration":{}}`
	testnet.Must(t, "restore", tallies.Restore([]byte(next)))
	if got := tallies.listeners["web"].Closed; len(got) != 1 || got[proxy.Completed] != 2 {
		t.Errorf("got %v", got)
	}
}

func TestHistoryOutlivesTheProcess(t *testing.T) {
	before, after := newServer(t, &fake{}), newServer(t, &fake{})
	for i := range mostHistory + 10 {
		before.Transition(Transition{Backend: strconv.Itoa(i)})
	}
	after.Recall(before.Remembered())
	after.Transition(Transition{Backend: "new"})
	got := after.Remembered()
	if len(got) != mostHistory || got[0].Backend != "new" || got[1].Backend != "509" || got[499].Backend != "11" {
		t.Errorf("%d, the latest %v, %v, the oldest %v", len(got), got[0], got[1], got[len(got)-1])
	}
}

// A counter of a process, or of a table that a reload makes anew, goes on from what
// was counted before.
func TestACounterThatBeginsAnewGoesOn(t *testing.T) {
	before, after := NewTallies(), NewTallies()
	for _, step := range []struct{ now, want uint64 }{{0, 0}, {3, 3}, {4, 4}, {1, 5}, {0, 5}, {2, 7}} {
		if got := before.goesOn("waits web", step.now); got != float64(step.want) {
			t.Errorf("it says %d: shown as %v, want %d", step.now, got, step.want)
		}
	}
	testnet.Must(t, "restore", after.Restore(before.marshal()))
	if got := after.goesOn("waits web", 1); got != 8 {
		t.Errorf("the next process shows %v, want 8", got)
	}
}
