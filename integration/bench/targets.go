package main

import (
	"fmt"
	"strings"
)

// Target is something that sluice is to reach, and whether it did.
type Target struct {
	Work    string  `json:"work"`
	Want    string  `json:"want"`
	Got     float64 `json:"got"`
	Reached bool    `json:"reached"`
}

// aim is a bound on sluice's number over a peer's. The peer "best" is the one
// that makes it hardest.
type aim struct {
	work, value, peer string
	bound             float64
	above             bool // the ratio is not to be below the bound
}

// rivals are the peers that "best" is sought among.
var rivals = []string{"haproxy", "haproxy-1m", "nginx", "go-copy"}

func aims() []aim {
	var all []aim
	for _, n := range []string{"down-1", "down-8", "down-64", "up-1", "up-8", "up-64"} {
		all = append(all,
			aim{"bulk-" + n, "cpu", "haproxy-1m", 0.95, false},
			aim{"bulk-" + n, "cpu", "haproxy", 0.5, false},
			aim{"bulk-" + n, "rate", "best", 1, true})
	}
	for _, n := range []string{"down-8", "up-8"} {
		all = append(all, aim{"segments-bulk-" + n, "cpu", "best", 0.95, false})
	}
	for _, n := range []string{"128-1", "128-50", "128-500", "4096-1", "4096-50", "4096-500"} {
		all = append(all,
			aim{"ping-pong-" + n, "cpu", "haproxy", 0.85, false},
			aim{"ping-pong-" + n, "cpu", "nginx", 1, false},
			aim{"ping-pong-" + n, "p50", "best", 1, false},
			aim{"ping-pong-" + n, "p99", "best", 1, false})
	}
	for _, n := range []string{"short-client", "short-server"} {
		all = append(all,
			aim{n, "cpu", "haproxy", 0.8, false},
			aim{n, "cpu", "nginx", 1, false},
			aim{n, "p99", "best", 1, false})
	}
	return append(all,
		aim{"mixed", "rate", "haproxy-1m", 0.95, true},
		aim{"mixed", "p99", "haproxy", 1, false},
		aim{"short-client", "cpu", "sluice-log", 1 / 1.03, true})
}

// judge compares what was measured with the aims; what was not measured is not
// in the answer.
func judge(r *Report) []Target {
	var out []Target
	for _, a := range aims() {
		for i := range r.Works {
			if w := &r.Works[i]; w.Name == a.work {
				if t, ok := a.judge(w); ok {
					out = append(out, t)
				}
			}
		}
	}
	for _, i := range r.Idle {
		if i.Peer == "sluice" {
			out = append(out,
				Target{"idle", "at most 256 bytes of user memory each", i.Each, i.Each <= 256},
				Target{"idle", "2 descriptors each", i.Descriptors, i.Descriptors > 1.99 && i.Descriptors < 2.01},
				Target{"idle", "no wakeup while all is idle", i.Wakeups, i.Wakeups < 1})
		}
	}
	return out
}

func (a aim) judge(w *WorkResult) (Target, bool) {
	peers := []string{a.peer}
	if a.peer == "best" {
		peers = rivals
	}
	t := Target{Work: w.Name}
	found := ""
	for _, p := range peers {
		row := w.row(p)
		if row == nil || row.Ratio[a.value].N == 0 {
			continue
		}
		x := row.Ratio[a.value].Median
		if found == "" || a.above && x < t.Got || !a.above && x > t.Got {
			t.Got, found = x, p
		}
	}
	sign := "at most"
	t.Reached = t.Got <= a.bound
	if a.above {
		sign, t.Reached = "at least", t.Got >= a.bound
	}
	t.Want = fmt.Sprintf("%s %s %.2f of %s", a.value, sign, a.bound, strings.Replace(a.peer, "best", "the best peer", 1))
	if a.peer == "best" {
		t.Want += " (" + found + ")"
	}
	return t, found != ""
}
