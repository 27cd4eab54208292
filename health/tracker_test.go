package health

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/config"
	"sluice/state"
)

var riseTwoFallThree = config.Health{
	Interval: 2 * time.Second, FastInterval: 300 * time.Millisecond, DownInterval: 7 * time.Second, Rise: 2, Fall: 3,
}

// play feeds a story to a tracker. Of its words + is a good probe, - a bad one
// and a number a report of that many bad connects in a row. It returns the
// status after each word, and the interval that follows: n normal, f fast, d
// down.
func play(story string, h *config.Health) (statuses, intervals string) {
	var t tracker
	for word := range strings.FieldsSeq(story) {
		from := t.status
		var turned bool
		switch word {
		case "+", "-":
			turned = t.probed(word == "+", h)
		default:
			n, _ := strconv.Atoi(word)
			turned = t.connectFailed(uint32(n), h)
		}
		if turned != (t.status != from) {
			statuses += "!"
		}
		statuses += map[state.Status]string{state.Unknown: "?", state.Up: "U", state.Down: "D"}[t.status]
		intervals += map[time.Duration]string{h.Interval: "n", h.FastInterval: "f", h.DownInterval: "d"}[t.interval(h)]
	}
	return statuses, intervals
}

func TestTrackerStories(t *testing.T) {
	for _, tt := range []struct{ name, story, statuses, intervals string }{
		{"first probe good", "+ +", "UU", "nn"},
		{"first probe bad", "- - +", "DDD", "ddf"},
		{"falls at the third in a row", "+ - - + - - -", "UUUUUUD", "nffnffd"},
		{"rises at the second in a row", "- + - + +", "DDDDU", "dfdfn"},
		{"falls again only after three more", "+ - - - + + - - -", "UUUDDUUUD", "nffdfnffd"},
		{"connects alone", "+ 1 2 3", "UUUD", "nffd"},
		{"first word is a bad connect", "1 + +", "DDU", "dfn"},
		{"reports lost", "+ 3", "UD", "nd"},
		{"reports twice", "+ 1 1 1 2 2", "UUUUUU", "nfffff"},
		{"reports late", "+ 2 1 3", "UUUD", "nffd"},
		{"a good connect between", "+ 1 2 1 2 1 2", "UUUUUUU", "nffffff"},
		{"a good probe between", "+ 1 2 + 3 4 + 5 6 7", "UUUUUUUUUD", "nffnffnffd"},
		{"good connect after a good probe", "+ 1 2 + 1 2 3", "UUUUUUD", "nffnffd"},
		{"probes and connects together", "+ - 1 -", "UUUD", "nffd"},
		{"connects while down do not count after", "+ 3 4 5 + + 6 7 8", "UDDDDUUUD", "ndddfnffd"},
		{"connects while rising", "- + 1 2 +", "DDDDU", "dfffn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			statuses, intervals := play(tt.story, &riseTwoFallThree)
			if statuses != tt.statuses || intervals != tt.intervals {
				t.Errorf("%s\ngot  %s %s\nwant %s %s", tt.story, statuses, intervals, tt.statuses, tt.intervals)
			}
		})
	}
}

// The shadow keeps the whole history since the last transition instead of
// counts.
func TestTrackerAgainstItsHistory(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := config.Health{Interval: 3, FastInterval: 1, DownInterval: 9, Rise: 1 + r.IntN(4), Fall: 1 + r.IntN(4)}
		bias := r.Float64()
		var tr tracker
		var history []bool
		status := state.Unknown
		for step := range 100 {
			good := r.Float64() < bias
			history = append(history, good)
			want := status
			switch {
			case status == state.Unknown && good, status == state.Down && lastAre(history, true, h.Rise):
				want = state.Up
			case status == state.Unknown, status == state.Up && lastAre(history, false, h.Fall):
				want = state.Down
			}
			turned := tr.probed(good, &h)
			if tr.status != want || turned != (want != status) {
				t.Fatalf("seed %d step %d: got %v turned %v, want %v after %v", seed, step, tr.status, turned, want, history)
			}
			if turned {
				history = nil
			}
			status = want
		}
	}
}

func lastAre(history []bool, what bool, n int) bool {
	if len(history) < n {
		return false
	}
	for _, x := range history[len(history)-n:] {
		if x != what {
			return false
		}
	}
	return true
}
