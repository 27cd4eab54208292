package main

import (
	"slices"
	"strings"
	"testing"
)

// judged is a work in which each peer shows the same p99 in each round, and a
// rate of 10.
func judged(p99 map[string][]float64) *WorkResult {
	w := &WorkResult{Name: "w"}
	for peer, values := range p99 {
		w.Rows = append(w.Rows, rowOf(peer, "p99", values...))
	}
	for i := range w.Rows {
		w.Rows[i].sum()
	}
	return w
}

func TestTargetsAreJudgedByTheHardestPeer(t *testing.T) {
	w := judged(map[string][]float64{"sluice": {8}, "haproxy": {10}, "nginx": {5}, "direct": {1}, "floor": {4}})
	for _, c := range []struct {
		a       aim
		got     float64
		reached bool
	}{
		{aim{work: "w", value: "p99", peer: "best", bound: 1}, 1.6, false},
		{aim{work: "w", value: "p99", peer: "haproxy", bound: 1}, 0.8, true},
		{aim{work: "w", value: "p99", peer: "best", bound: 1, above: true}, 0.8, false},
		{aim{work: "w", value: "p99", base: "haproxy", peer: "nginx", bound: 1}, 2, false},
	} {
		got, ok := c.a.judge(w)
		if !ok || got.Got.Median != c.got || got.Reached != c.reached {
			t.Errorf("%v: got %+v", c.a, got)
		}
	}
	got, _ := aim{work: "w", value: "p99", peer: "nginx", bound: 1}.judge(w)
	if got.Floor.Median != 0.8 || got.ToFloor.Median != 2 {
		t.Errorf("the floor: got %+v", got)
	}
	if _, ok := (aim{work: "w", value: "cpu", peer: "best", bound: 1}).judge(w); ok {
		t.Error("a target was judged that was not measured")
	}
}

func TestVerdictSaysWhatNoiseCouldHaveDone(t *testing.T) {
	for _, c := range []struct {
		ours, again []float64
		want        string
	}{
		{[]float64{9, 9, 9}, []float64{9, 9, 9}, "met"},
		{[]float64{9.6, 9.6, 9.6}, []float64{9, 9, 9}, "met, within noise"},
		{[]float64{10.4, 10.4, 10.4}, []float64{9.6, 9.7, 9.8}, "missed, within noise"},
		{[]float64{13, 13, 13}, []float64{12.5, 13, 13}, "missed"},
	} {
		w := judged(map[string][]float64{"sluice": c.ours, "sluice-again": c.again, "nginx": {10, 10, 10}})
		got, _ := aim{work: "w", value: "p99", peer: "nginx", bound: 1}.judge(w)
		if got.verdict() != c.want {
			t.Errorf("%v, again %v: got %q, want %q", c.ours, c.again, got.verdict(), c.want)
		}
	}
}

func TestEveryRowOfTheTargetsIsJudged(t *testing.T) {
	r := sampleReport()
	want := []string{rowBulk, rowSegments, rowPingPong, rowShort, rowIdle, rowMixed, rowExtras, rowAlone}
	if got := rowsOf(r.Targets); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, g := range r.Targets {
		if cells := g.cells(); len(cells) != len(targetHeads) || strings.Contains(strings.Join(cells, " "), "NaN") {
			t.Errorf("%s: got %v", g.Want, cells)
		}
	}
}

func TestIdleMemoryMustComeBack(t *testing.T) {
	held := Memory{PSS: 10e6}
	for _, c := range []struct {
		after Memory
		want  bool
	}{{Memory{PSS: 10e6 + 25*1000}, true}, {Memory{PSS: 10e6 + 200*1000}, false}} {
		r := &Report{Idle: []IdleResult{{Peer: "sluice", Connections: 1000, Before: held, After: c.after}}}
		for _, g := range judge(r) {
			if g.Want == "memory returned after they close" && g.Reached != c.want {
				t.Errorf("after %v: got %v, want %v", c.after, g.Reached, c.want)
			}
		}
	}
}
