package health

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/config"
)

var fiveInARow = config.Outlier{
	ConsecutiveFailures: 5, Window: 10 * time.Second, Minimum: 20,
	EjectFor: 10 * time.Second, MaxEjectFor: 45 * time.Second, MaxEjected: 0.5,
}

// TestOutlierStories are transcripts, one word a second: c a failed connect, C
// the first one after a good one, b a connection that broke, g a good one, G a
// good one whose first byte came three seconds ago, _ nothing. An ejected
// backend is let in again at once by >, or after its time by a following space.
func TestOutlierStories(t *testing.T) {
	halfOf := fiveInARow
	halfOf.ConsecutiveFailures, halfOf.FailureRate, halfOf.Minimum = 0, 0.5, 6
	halfOf.Window = 20 * time.Second
	one := fiveInARow
	one.ConsecutiveFailures = 1
	for _, tt := range []struct {
		name     string
		settings config.Outlier
		story    string
		want     string // the reason at the end; "" for none
	}{
		{"four are not enough", fiveInARow, "Cccc", ""},
		{"connects", fiveInARow, "Ccccc", "5 failures in a row"},
		{"broken ones", fiveInARow, "bbbbb", "5 failures in a row"},
		{"of both kinds", fiveInARow, "CcbbC", ""}, // a connect was good before the last
		{"of both kinds, more", fiveInARow, "bbbCc", "5 failures in a row"},
		{"a good one ends the row", fiveInARow, "bbbbgb", ""},
		{"and another begins", fiveInARow, "bbbbgbbbbb", "5 failures in a row"},
		{"a good one of before does not", fiveInARow, "bbbbGb", "5 failures in a row"},
		{"silence for a window ends it", fiveInARow, "bbbb___________b", ""},
		{"a shorter one does not", fiveInARow, "bbbb_________b", "5 failures in a row"},
		{"one is enough", one, "gb", "a failure"},
		{"on trial", fiveInARow, ">b", "a failure just after it was let in again"},
		{"on trial, long after", fiveInARow, ">____________________b", "a failure just after it was let in again"},
		{"trial passed", fiveInARow, ">gbbbb", ""},
		{"what was good before is no trial passed", fiveInARow, ">_Gb", "a failure just after it was let in again"},
		{"too few for a rate", halfOf, "gbgbb", ""},
		{"half", halfOf, "gbgbgb", "3 of 6 connections failed within 20s"},
		{"not told by a good one", halfOf, "gbgbbg", ""},
		{"less than half", halfOf, "gggbgbggb", ""},
		{"what is older than the window does not count", halfOf, "bbbbb____________________b", ""},
		{"a rate has no trial", halfOf, ">b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o outlier
			now, connects, got := time.Minute, uint32(1), ""
			for i, word := range tt.story {
				now += time.Second
				got = ""
				switch word {
				case 'C':
					connects = 1
					o.connectFailed(connects, now, &tt.settings)
				case 'c':
					connects++
					o.connectFailed(connects, now, &tt.settings)
				case 'b':
					o.broke(now, &tt.settings)
				case 'g':
					o.answered(now, &tt.settings)
					continue
				case 'G':
					o.answered(now-3*time.Second, &tt.settings)
					continue
				case '>':
					o.eject(now, &tt.settings)
					o.broke(now, &tt.settings)
					if why := o.tooMany(now, &tt.settings); why != "" {
						t.Fatalf("%q while it was out", why)
					}
					o.letIn(now)
					continue
				case '_':
					continue
				}
				got = o.tooMany(now, &tt.settings)
				if got != "" && i < len(tt.story)-1 {
					t.Fatalf("%q after %q", got, tt.story[:i+1])
				}
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestEjectionsGrowAndAreForgiven goes through ejections, each after a time for
// which the backend was in.
func TestEjectionsGrowAndAreForgiven(t *testing.T) {
	var o outlier
	now := 5 * time.Minute
	for i, step := range []struct{ in, want time.Duration }{
		{0, 10 * time.Second},
		{0, 20 * time.Second},
		{time.Second, 30 * time.Second},
		{9 * time.Second, 40 * time.Second},
		{0, 45 * time.Second},
		{0, 45 * time.Second},
		{10 * time.Second, 45 * time.Second}, // one forgiven, and one more
		{20 * time.Second, 40 * time.Second},
		{time.Hour, 10 * time.Second},
	} {
		now += step.in
		got := o.eject(now, &fiveInARow)
		if got != step.want {
			t.Errorf("ejection %d: %v, want %v", i+1, got, step.want)
		}
		now += got
		o.letIn(now)
	}
}

// naive is the window as a list of all that happened.
type naive []struct {
	at  time.Duration
	bad bool
}

func (n naive) sum(now, length time.Duration) (all, bad int) {
	// A pane is counted as a whole: the oldest is younger than nine tenths.
	oldest := now.Truncate(length/10) - 9*(length/10)
	for _, e := range n {
		if e.at >= oldest {
			all++
			if e.bad {
				bad++
			}
		}
	}
	return all, bad
}

// TestWindowCountsAsAList compares the window with a list, event by event.
func TestWindowCountsAsAList(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		length := time.Duration(1+r.IntN(100)) * 10 * time.Millisecond
		var w window
		var list naive
		now := time.Duration(0)
		for step := range 200 {
			now += time.Duration(r.Int64N(int64(length) / (1 + r.Int64N(30))))
			at, bad := now, r.IntN(2) == 0
			if r.IntN(4) == 0 {
				at = max(0, now-time.Duration(r.Int64N(int64(length*2))))
			}
			w.add(at, bad, length)
			list = append(list, struct {
				at  time.Duration
				bad bool
			}{at, bad})
			all, bads := w.sum(now, length)
			if wantAll, wantBad := list.sum(now, length); all != wantAll || bads != wantBad {
				t.Fatalf("seed %d, step %d: %d of %d, want %d of %d", seed, step, bads, all, wantBad, wantAll)
			}
		}
	}
}

// TestOutlierSimulation puts a backend through seeded lives and holds it to
// what a reader of the manual would count by hand.
func TestOutlierSimulation(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := config.Outlier{
			ConsecutiveFailures: r.IntN(6), FailureRate: float64(r.IntN(3)) * 0.4,
			Window: time.Second, Minimum: 1 + r.IntN(20), EjectFor: time.Second, MaxEjectFor: time.Duration(1+r.IntN(5)) * time.Second,
		}
		illness := r.Float64()
		var o outlier
		var row, ejections int
		var recent naive
		var last, back time.Duration
		trial := false
		now := time.Duration(0)
		for step := range 300 {
			now += time.Duration(r.IntN(60)) * time.Millisecond
			ill := r.Float64() < illness
			if ill {
				o.broke(now, &s)
				if now-last > s.Window {
					row = 0
				}
				row, last = row+1, now
			} else {
				o.answered(now, &s)
				if now > last {
					row, trial = 0, false
				}
			}
			recent = append(recent, struct {
				at  time.Duration
				bad bool
			}{now, ill})
			all, bad := recent.sum(now, s.Window)
			byRow := s.ConsecutiveFailures > 0 && row > 0 && (trial || row >= s.ConsecutiveFailures)
			byRate := s.FailureRate > 0 && row > 0 && all >= s.Minimum && float64(bad) >= s.FailureRate*float64(all)
			why := o.tooMany(now, &s)
			if (why != "") != (byRow || byRate) || (why != "" && !byRow && !strings.Contains(why, " of ")) {
				t.Fatalf("seed %d, step %d: %q, want by row %v, by rate %v (%d in a row, %d of %d)", seed, step, why, byRow, byRate, row, bad, all)
			}
			if why == "" {
				continue
			}
			ejections -= min(ejections, int((now-back)/s.EjectFor))
			ejections = min(ejections+1, int(s.MaxEjectFor/s.EjectFor))
			length := o.eject(now, &s)
			if want := time.Duration(ejections) * s.EjectFor; length != want {
				t.Fatalf("seed %d, step %d: ejected for %v, want %v", seed, step, length, want)
			}
			now += length
			o.letIn(now)
			row, recent, last, back, trial = 0, nil, now, now, true
		}
	}
}
