package health

import (
	"slices"
	"testing"

	"sluice/state"
)

func TestAgentsWords(t *testing.T) {
	was := state.Advice{Mode: state.Drain, Down: true, Weight: 3, MaxConnections: 7}
	for _, tt := range []struct {
		line    string
		change  func(*state.Advice)
		strange []string
	}{
		{"", func(*state.Advice) {}, nil},
		{"ready", func(a *state.Advice) { a.Mode = state.Ready }, nil},
		{"maint", func(a *state.Advice) { a.Mode = state.Maint }, nil},
		{"up", func(a *state.Advice) { a.Down = false }, nil},
		{"up ready 75% maxconn:30", func(a *state.Advice) {
			a.Down, a.Mode, a.Weight, a.Percent, a.MaxConnections = false, state.Ready, 75, true, 30
		}, nil},
		{"UP,Ready\t100%", func(a *state.Advice) { a.Down, a.Mode, a.Weight, a.Percent = false, state.Ready, 100, true }, nil},
		{"weight:50%", func(a *state.Advice) { a.Weight, a.Percent = 50, true }, nil},
		{"weight:5", func(a *state.Advice) { a.Weight = 5 }, nil},
		{"0%", func(a *state.Advice) { a.Weight, a.Percent = 0, true }, nil},
		{"maxconn:0", func(a *state.Advice) { a.MaxConnections = 0 }, nil},
		{"up # drain 10%", func(a *state.Advice) { a.Down = false }, nil},
		{"up#drain", func(a *state.Advice) { a.Down = false }, nil},
		{"drain ready", func(a *state.Advice) { a.Mode = state.Ready }, nil},
		{"75", func(*state.Advice) {}, []string{"75"}},
		{"well up 65536% -1% +1% 1e2% weight: maxconn:x %", func(a *state.Advice) { a.Down = false },
			[]string{"well", "65536%", "-1%", "+1%", "1e2%", "weight:", "maxconn:x", "%"}},
	} {
		want := was
		tt.change(&want)
		got, strange := heed(was, tt.line)
		if got != want || !slices.Equal(strange, tt.strange) {
			t.Errorf("%q: got %+v and %q, want %+v and %q", tt.line, got, strange, want, tt.strange)
		}
	}
	for _, word := range []string{"down", "fail", "stopped"} {
		if got, _ := heed(silence, word+" # a reason"); !got.Down || got.Mode != state.Ready || got.Weight != -1 {
			t.Errorf("%s: got %+v", word, got)
		}
	}
}

func FuzzHeed(f *testing.F) {
	f.Add("up ready 75% maxconn:30 weight:3 # so")
	f.Fuzz(func(t *testing.T, line string) {
		got, _ := heed(silence, line)
		if got.Weight < -1 || got.Weight > mostWeight || got.MaxConnections < -1 || got.MaxConnections > mostConnections {
			t.Errorf("%q: got %+v", line, got)
		}
	})
}
