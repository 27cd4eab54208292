package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

// Target is something that sluice is to reach, how near it came, and what a
// program reaches that makes the same system calls and does nothing else.
type Target struct {
	Row   string  `json:"row"` // of the list of targets
	Work  string  `json:"work"`
	Want  string  `json:"want"`
	Got   Spread  `json:"got"`
	Unit  string  `json:"unit,omitempty"` // of Got; "" for a ratio
	Bound float64 `json:"bound"`
	// Noise is how far sluice is from itself in one round of this work, as a
	// share; 0 where it was not measured twice.
	Noise   float64 `json:"noise,omitempty"`
	Reached bool    `json:"reached"`
	Floor   Spread  `json:"floor,omitzero"`    // the floor's own ratio to the peer
	ToFloor Spread  `json:"to_floor,omitzero"` // sluice's ratio to the floor
}

// The rows of the list of targets.
const (
	rowBulk     = "bulk"
	rowSegments = "bulk in 1448-byte segments"
	rowPingPong = "ping-pong"
	rowShort    = "connect, request, reply, close"
	rowIdle     = "idle connections"
	rowMixed    = "bulk beside ping-pong"
	rowExtras   = "access log, metrics, keeper"
	rowAlone    = "an idle process"
)

// aim is a bound on one peer's number over another's, as a rule sluice's. The
// peer "best" is the one that makes it hardest.
type aim struct {
	row, work, value string
	base             string // whose number; "": sluice's
	peer             string
	bound            float64
	above            bool // the ratio is not to be below the bound
}

// rivals are the peers that "best" is sought among.
var rivals = []string{"haproxy", "haproxy-1m", "nginx", "pen", "go-copy"}

func aims() []aim {
	var all []aim
	at := func(row, work, value, peer string, bound float64) {
		all = append(all, aim{row: row, work: work, value: value, peer: peer, bound: bound, above: value == "rate"})
	}
	for _, n := range []string{"down-1", "down-8", "down-64", "up-1", "up-8", "up-64"} {
		at(rowBulk, "bulk-"+n, "cpu", "haproxy-1m", 0.95)
		at(rowBulk, "bulk-"+n, "cpu", "haproxy", 0.5)
		at(rowBulk, "bulk-"+n, "rate", "best", 1)
	}
	for _, n := range []string{"down-8", "up-8"} {
		at(rowSegments, "segments-bulk-"+n, "cpu", "best", 0.95)
	}
	for _, n := range []string{"128-1", "128-50", "128-500", "4096-1", "4096-50", "4096-500"} {
		at(rowPingPong, "ping-pong-"+n, "cpu", "haproxy", 0.85)
		at(rowPingPong, "ping-pong-"+n, "cpu", "nginx", 1)
		at(rowPingPong, "ping-pong-"+n, "p50", "best", 1)
		at(rowPingPong, "ping-pong-"+n, "p99", "best", 1)
	}
	for _, n := range []string{"128-50", "128-500", "4096-50"} {
		at(rowPingPong, "schedule-"+n, "p50", "best", 1)
		at(rowPingPong, "schedule-"+n, "p99", "best", 1)
	}
	for _, n := range []string{"short-client", "short-server"} {
		at(rowShort, n, "cpu", "haproxy", 0.8)
		at(rowShort, n, "cpu", "nginx", 1)
		at(rowShort, n, "cpu", "pen", 1)
		at(rowShort, n, "p99", "best", 1)
	}
	at(rowMixed, "mixed", "rate", "haproxy-1m", 0.95)
	at(rowMixed, "mixed", "p99", "haproxy", 1)
	for _, n := range []string{"bulk-down-8", "ping-pong-128-50", "short-client"} {
		all = append(all, aim{row: rowExtras, work: n, value: "cpu", base: "sluice-full", peer: "sluice-bare", bound: 1.03})
	}
	return all
}

// judge compares what was measured with the aims; what was not measured is not
// in the answer.
func judge(r *Report) []Target {
	var out []Target
	idle := judgeIdle(r)
	for _, a := range aims() {
		if a.row == rowMixed {
			out, idle = append(out, idle...), nil
		}
		if w := r.work(a.work); w != nil {
			if t, ok := a.judge(w); ok {
				out = append(out, t)
			}
		}
	}
	return append(out, judgeAlone(r)...)
}

func (a aim) judge(w *WorkResult) (Target, bool) {
	base := cmp.Or(a.base, "sluice")
	peers := []string{a.peer}
	if a.peer == "best" {
		peers = rivals
	}
	t := Target{Row: a.row, Work: w.Name, Bound: a.bound, Noise: w.noise(a.value)}
	found := ""
	for _, p := range peers {
		x := w.ratio(base, p, a.value)
		if x.N == 0 {
			continue
		}
		if found == "" || a.above && x.Median < t.Got.Median || !a.above && x.Median > t.Got.Median {
			t.Got, found = x, p
		}
	}
	if found == "" {
		return t, false
	}
	if a.base == "" {
		t.Floor, t.ToFloor = w.ratio("floor", found, a.value), w.ratio("sluice", "floor", a.value)
	}
	sign := "at most"
	t.Reached = t.Got.Median <= a.bound
	if a.above {
		sign, t.Reached = "at least", t.Got.Median >= a.bound
	}
	t.Want = fmt.Sprintf("%s %s %.2f of %s", valueNames[a.value], sign, a.bound, strings.Replace(a.peer, "best", "the best peer", 1))
	if a.peer == "best" {
		t.Want += " (" + found + ")"
	}
	return t, true
}

var valueNames = map[string]string{"cpu": "proxy CPU", "rate": "rate", "p50": "p50", "p99": "p99"}

// ratio is what a showed over what b showed in the same rounds.
func (w *WorkResult) ratio(a, b, value string) Spread {
	over, under := w.row(a), w.row(b)
	if over == nil || under == nil {
		return Spread{}
	}
	return spread(ratios(over.byRound(value), under.byRound(value)))
}

// noise is how far sluice is from itself in one round, in the middle of the
// rounds.
func (w *WorkResult) noise(value string) float64 {
	once, again := w.row("sluice"), w.row("sluice-again")
	if once == nil || again == nil {
		return 0
	}
	var off []float64
	for _, x := range ratios(once.byRound(value), again.byRound(value)) {
		off = append(off, math.Abs(x-1))
	}
	return median(off)
}

// most is how much an idle connection may take of user memory, in bytes.
const mostIdle = 256

func judgeIdle(r *Report) []Target {
	var out []Target
	for _, i := range r.Idle {
		if i.Peer != "sluice" {
			continue
		}
		one := func(want string, got float64, unit string, bound float64, reached bool) {
			out = append(out, Target{Row: rowIdle, Work: "idle", Want: want, Got: spread([]float64{got}), Unit: unit, Bound: bound, Reached: reached})
		}
		left := (i.After.PSS - i.Before.PSS) / float64(max(i.Connections, 1))
		one("at most 256 bytes of user memory each", i.Each, "bytes", mostIdle, i.Each <= mostIdle)
		one("2 descriptors each", i.Descriptors, "descriptors", 2, math.Abs(i.Descriptors-2) < 0.01)
		one("no wakeup while all are idle", i.Wakeups, "a second", 0, i.Wakeups < noWakeups)
		one("memory returned after they close", left, "bytes left each", mostIdle/10, left <= mostIdle/10)
		one("no descriptor left after they close", float64(i.Left), "descriptors", 0, i.Left <= 0)
	}
	return out
}

// noWakeups is above none, and not above one in the time that an idle process
// is watched.
const noWakeups = 0.5

func judgeAlone(r *Report) []Target {
	for _, i := range r.Idle {
		if i.Peer == "sluice" {
			return []Target{{Row: rowAlone, Work: "idle", Want: "0 wakeups a second without connections",
				Got: spread([]float64{i.Alone}), Unit: "a second", Reached: i.Alone < noWakeups}}
		}
	}
	return nil
}

// verdict is met or missed, and whether the noise could have made it the other.
func (t *Target) verdict() string {
	said := "missed"
	if t.Reached {
		said = "met"
	}
	if t.Unit == "" && t.Noise > 0 && math.Abs(t.Got.Median/t.Bound-1) <= t.Noise {
		said += ", within noise"
	}
	return said
}

// cells are what a table says of a target.
func (t *Target) cells() []string {
	got := t.Got.whole(1)
	if t.Unit != "" {
		got += " " + t.Unit
	}
	noise := ""
	if t.Noise > 0 {
		noise = fmt.Sprintf("±%.0f%%", 100*t.Noise)
	}
	return []string{t.Work, t.Want, got, noise, t.verdict(), t.Floor.text(1), t.ToFloor.text(1)}
}

var targetHeads = []string{"work", "target", "measured", "A/A", "", "the floor's own", "sluice/floor"}

// reached counts the targets of a row that are met, and all of them.
func reached(all []Target, row string) (met, n int) {
	for _, t := range all {
		if t.Row == row {
			n++
			if t.Reached {
				met++
			}
		}
	}
	return met, n
}

// rowsOf are the rows that targets belong to, in their order.
func rowsOf(all []Target) []string {
	var out []string
	for _, t := range all {
		if len(out) == 0 || out[len(out)-1] != t.Row {
			out = append(out, t.Row)
		}
	}
	return out
}
