package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func rowOf(peer string, key string, values ...float64) Row {
	row := Row{Peer: peer}
	for i, v := range values {
		row.Runs = append(row.Runs, Run{Round: i, Values: map[string]float64{key: v, "rate": 10}})
	}
	return row
}

func TestDisturbedRoundsAreFound(t *testing.T) {
	for _, c := range []struct {
		name string
		rows []Row
		want []int
		why  string
	}{
		{"quiet", []Row{rowOf("a", "foreign", 0.02, 0.03, 0.04), rowOf("b", "foreign", 0.03, 0.02, 0.05)}, nil, ""},
		{"always the same stranger is the quiet", []Row{rowOf("a", "foreign", 0.32, 0.33, 0.31)}, nil, ""},
		{"a stranger in round 1", []Row{rowOf("a", "foreign", 0.02, 0.03, 0.04), rowOf("b", "foreign", 0.03, 0.6, 0.05)}, []int{1}, "others used 0.60 of a CPU during b"},
		{"stolen time", []Row{rowOf("a", "steal", 0, 0.2, 0)}, []int{1}, "20% of CPU time stolen during a"},
		{"a number apart", []Row{rowOf("a", "cpu", 5, 5.1, 9, 5, 5.1)}, []int{2}, "cpu of a stands apart"},
	} {
		var got []int
		var why string
		for _, d := range disturbed(c.rows, 2) {
			got, why = append(got, d.round), d.why
		}
		if !slices.Equal(got, c.want) || why != c.why {
			t.Errorf("%s: got %v (%s), want %v (%s)", c.name, got, why, c.want, c.why)
		}
	}
}

func TestRatiosAreSluiceOverPeer(t *testing.T) {
	w := WorkResult{Rows: []Row{rowOf("sluice", "cpu", 1, 2, 3), rowOf("nginx", "cpu", 2, 4, 4)}}
	for i := range w.Rows {
		w.Rows[i].sum()
	}
	w.compare()
	if got, want := w.row("nginx").Ratio["cpu"], (Spread{0.5, 0.5, 0.75, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if w.row("sluice").Ratio != nil {
		t.Error("sluice is compared with itself")
	}
}

func TestUnitsOfAWorkDivideItsCPU(t *testing.T) {
	r := Result{Seconds: 2, Bytes: 4e9, Replies: 1000, Used: Usage{Proxy: time.Second, Client: time.Second, Backend: time.Second, User: 0.25, System: 0.75, Busy: 3.5}}
	bulk := reckon(Work{unit: "GB"}, r, 2).Values
	for name, want := range map[string]float64{"rate": 2, "cpu": 0.25, "total": 0.75, "user": 0.25, "foreign": 0.25} {
		if bulk[name] != want {
			t.Errorf("bulk, %s: got %v, want %v", name, bulk[name], want)
		}
	}
	pairs := reckon(Work{unit: "request"}, r, 2).Values
	if pairs["cpu"] != 0.001 || pairs["rate"] != 500 {
		t.Errorf("requests: got %v s each at %v/s", pairs["cpu"], pairs["rate"])
	}
	none := reckon(Work{unit: "connection"}, Result{Seconds: 1}, 2).Values
	if _, ok := none["cpu"]; ok {
		t.Error("no unit was done, and it has a cost")
	}
}

// A peer must not follow the same other in every round.
func TestOrderOfPeersChangesFromRoundToRound(t *testing.T) {
	const peers = 6
	before := map[int]bool{}
	for round := range 5 {
		seen := order("bulk-down-8", round, peers)
		if again := order("bulk-down-8", round, peers); !slices.Equal(seen, again) {
			t.Errorf("round %d: got %v and then %v", round, seen, again)
		}
		if at := slices.Index(seen, 0); at > 0 {
			before[seen[at-1]] = true
		}
		if slices.Sort(seen); !slices.Equal(seen, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("round %d: somebody is left out: %v", round, seen)
		}
	}
	if len(before) < 2 {
		t.Errorf("peer 0 always runs after %v", before)
	}
}

func TestTwoDigitsNeverRoundUp(t *testing.T) {
	for in, want := range map[float64]float64{19999: 19000, 123: 120, 99: 99, 7.38: 7.3, 0: 0} {
		if got := twoDigits(in); fmt.Sprintf("%.6g", got) != fmt.Sprintf("%.6g", want) {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}

func TestFamilyHasDescendantsAndTheGroup(t *testing.T) {
	parent := map[int]int{10: 1, 11: 10, 12: 11, 13: 1, 14: 1}
	group := map[int]int{10: 10, 11: 11, 12: 12, 13: 10, 14: 14}
	if got, want := family(10, parent, group), []int{10, 11, 12, 13}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProgressShowsShareAndTimeLeft(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, true, 4)
	p.now = func() time.Time { return p.begun.Add(10 * time.Second) }
	p.step("bulk", "nginx")
	if want := "[=====               ]  25%, 30s left  bulk: nginx"; p.line("bulk", "nginx", 20) != want {
		t.Errorf("got %q, want %q", p.line("bulk", "nginx", 20), want)
	}
	p.more(1)
	for range 9 { // more than was thought
		p.step("bulk", "nginx")
	}
	if !strings.Contains(out.String(), "100%") || strings.Contains(out.String(), "\n") {
		t.Errorf("a terminal shows %q", out.String())
	}
	out.Reset()
	p = newProgress(&out, false, 4)
	p.step("bulk", "nginx")
	p.step("bulk", "haproxy")
	p.step("short", "nginx")
	if want := " 25%  bulk\n 75%  short\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
