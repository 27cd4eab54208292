package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// sampleReport has something of everything.
func sampleReport() *Report {
	peers := []string{"sluice", "sluice-again", "sluice-bare", "sluice-full", "haproxy", "haproxy-1m", "nginx", "go-copy", "floor"}
	r := &Report{
		Date: "2026-01-02 03:04 UTC", Command: "go run ./integration/bench", Commit: "deadbee", Machine: "A <fast> & \"small\" CPU",
		Kernel: "9.9", Go: "go1.99", CPUs: 2, Rounds: 3, Seconds: 1,
		Peers: []PeerInfo{{Name: "sluice", Title: "sluice"}, {Name: "nginx", Title: "nginx stream", Config: "x\n", Faults: []string{"half-close"}},
			{Name: "haproxy", Title: "HAProxy, splice", Missing: "haproxy is not installed"}},
		Idle: []IdleResult{{Peer: "sluice", Connections: 9000, Each: 35, Descriptors: 2}, {Peer: "nginx", Connections: 9000, Each: 9772, Descriptors: 2}},
	}
	for i, w := range allWorks() {
		if w.hold > 0 {
			continue
		}
		res := WorkResult{Name: w.name, Title: w.title, Unit: w.unit, Site: w.site, Grow: w.grow, Rate: w.load * 1000}
		for k, p := range peers {
			row := Row{Peer: p}
			for round := range 3 {
				x := float64(i+k+round+1) / 10
				row.Runs = append(row.Runs, Run{Round: round, Values: map[string]float64{"rate": x, "cpu": x, "total": 2 * x, "p50": x, "p90": 2 * x, "p99": 3 * x, "p999": 30 * x}})
			}
			row.sum()
			res.Rows = append(res.Rows, row)
		}
		res.compare()
		r.Works = append(r.Works, res)
	}
	r.Targets = judge(r)
	return r
}

func TestPlotsAreWellFormed(t *testing.T) {
	pictures := plots(sampleReport())
	if len(pictures) != 5 {
		t.Errorf("got %d pictures, want 5", len(pictures))
	}
	for _, p := range pictures {
		if err := wellFormed(p.svg); err != nil {
			t.Errorf("%s: %v", p.file, err)
		}
		for _, wrong := range []string{"NaN", "Inf", "%!"} {
			if strings.Contains(p.svg, wrong) {
				t.Errorf("%s has %s in it", p.file, wrong)
			}
		}
		if !strings.Contains(p.svg, "sluice") || !strings.Contains(p.svg, "prefers-color-scheme:dark") {
			t.Errorf("%s: no sluice, or nothing for the dark", p.file)
		}
	}
}

func TestPlotsOfNothingAreNone(t *testing.T) {
	if got := plots(&Report{}); len(got) != 0 {
		t.Errorf("got %d pictures of nothing", len(got))
	}
}

func TestPlotsOfAnEmptyWorkDoNotBreak(t *testing.T) {
	r := &Report{Works: []WorkResult{{Name: "short-client", Unit: "connection", Rows: []Row{{Peer: "sluice"}}},
		{Name: "schedule-128-50", Unit: "request", Rows: []Row{{Peer: "sluice"}}}}}
	for _, p := range plots(r) {
		if err := wellFormed(p.svg); err != nil || strings.Contains(p.svg, "NaN") {
			t.Errorf("%s: %v", p.file, err)
		}
	}
}

func wellFormed(text string) error {
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestTicksHoldTheValues(t *testing.T) {
	for _, c := range []struct{ low, high float64 }{{0.3, 7}, {1, 1000}, {0.05, 900}, {2, 2.1}} {
		ticks := logTicks(c.low, c.high)
		if ticks[0] > c.low*1.001 || ticks[len(ticks)-1] < c.high*0.999 || len(ticks) > 9 || len(ticks) < 2 {
			t.Errorf("logarithmic, %v to %v: got %v", c.low, c.high, ticks)
		}
	}
	for _, high := range []float64{0.4, 1, 17, 99, 100, 123} {
		ticks := evenTicks(high)
		if ticks[0] != 0 || ticks[len(ticks)-1] < high*0.999 || len(ticks) > 8 || len(ticks) < 3 {
			t.Errorf("even, up to %v: got %v", high, ticks)
		}
	}
}

func TestLabelsAreKeptApart(t *testing.T) {
	places := []float64{50, 10, 51, 52, 99}
	got := apart(places, 15, 0, 100)
	sorted := slices.Sorted(slices.Values(got))
	for i := 1; i < len(sorted); i++ {
		if sorted[i]-sorted[i-1] < 15-1e-9 {
			t.Errorf("%v and %v are too near: %v", sorted[i-1], sorted[i], got)
		}
	}
	if sorted[len(sorted)-1] > 100 || math.IsNaN(sorted[0]) {
		t.Errorf("out of the plot: %v", got)
	}
	if !(got[1] < got[0] && got[0] < got[2] && got[2] < got[3] && got[3] < got[4]) {
		t.Errorf("the order is lost: %v", got)
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for in, want := range map[float64]string{0: "0", 0.1638: "0.164", 1.234: "1.23", 19.06: "19.1", 142.7: "143", 42800: "42,800", 9999.9: "10,000"} {
		if got := digits(in); got != want {
			t.Errorf("%v: got %s, want %s", in, got, want)
		}
	}
}
