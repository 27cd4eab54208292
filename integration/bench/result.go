package main

import (
	"maps"
	"slices"
)

// Report is a whole run of the benchmark.
type Report struct {
	Date    string   `json:"date"`
	Command string   `json:"command"`
	Commit  string   `json:"commit"`
	Machine string   `json:"machine"`
	CPUs    int      `json:"cpus"`
	MemoryG float64  `json:"memory_gib"`
	Kernel  string   `json:"kernel"`
	Go      string   `json:"go"`
	Rounds  int      `json:"rounds"`
	Seconds float64  `json:"seconds"`
	Took    string   `json:"took"`
	Notes   []string `json:"notes,omitempty"`

	Peers   []PeerInfo    `json:"peers"`
	Works   []WorkResult  `json:"works"`
	Idle    []IdleResult  `json:"idle,omitempty"`
	Calls   []CallsResult `json:"calls,omitempty"`
	Targets []Target      `json:"targets,omitempty"`
}

// PeerInfo is who took part and how it was set.
type PeerInfo struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Version string   `json:"version,omitempty"`
	Command string   `json:"command,omitempty"`
	Config  string   `json:"config,omitempty"`
	Faults  []string `json:"faults,omitempty"` // what it failed in verification
	Missing string   `json:"missing,omitempty"`
}

// WorkResult is what a work showed.
type WorkResult struct {
	Name      string   `json:"name"`
	Title     string   `json:"title"`
	Unit      string   `json:"unit"`
	Site      string   `json:"site"`
	Grow      int      `json:"grow,omitempty"`
	Rate      float64  `json:"rate,omitempty"` // scheduled requests a second
	Rounds    int      `json:"rounds"`
	Seconds   float64  `json:"seconds"` // of a window
	Commit    string   `json:"commit"`
	Date      string   `json:"date"`
	Repeated  []string `json:"repeated,omitempty"`
	Disturbed int      `json:"disturbed,omitempty"` // rounds that still were, after repeating
	Absent    []string `json:"absent,omitempty"`
	Rows      []Row    `json:"rows"`
}

// Row is a peer in a work. Ratio is sluice's number over this peer's, from the
// same rounds: below one where less is better is in sluice's favour.
type Row struct {
	Peer   string            `json:"peer"`
	Runs   []Run             `json:"runs"`
	Sum    map[string]Spread `json:"sum,omitempty"`
	Ratio  map[string]Spread `json:"ratio,omitempty"`
	Errors int               `json:"errors,omitempty"`
}

// Run is one window. The values are
//
//	rate     units a second (GB, requests, connections)
//	cpu      the proxy's CPU seconds a unit
//	total    CPU seconds of client, proxy and backend a unit
//	machine  CPU seconds of the whole machine a unit, softirq and strangers included
//	user     the share of the proxy's CPU that is user space
//	p50 ...  latency in seconds
//	replies  requests a second beside the bulk, in mixed work
//	late     how far the client itself fell behind the schedule, seconds
//	steal    share of all CPUs; foreign: CPUs used by others
type Run struct {
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values"`
	Errors int                `json:"errors,omitempty"`
}

// reckon makes the values of a run out of what the client saw.
func reckon(w Work, r Result, cpus int) Run {
	units := map[string]float64{"GB": r.Bytes / 1e9, "request": r.Replies, "connection": r.Conns}[w.unit]
	used := r.Used
	ours := used.Proxy + used.Backend + used.Client
	v := map[string]float64{
		"rate":    units / r.Seconds,
		"foreign": (used.Busy - ours.Seconds()) / r.Seconds,
		"steal":   used.Steal / r.Seconds / float64(cpus),
	}
	if units > 0 && used.Proxy > 0 {
		v["cpu"] = used.Proxy.Seconds() / units
	}
	if units > 0 {
		v["total"] = ours.Seconds() / units
		v["machine"] = used.Busy / units
	}
	if all := used.User + used.System; all > 0 {
		v["user"] = used.User / all
	}
	if r.Samples > 0 {
		for i, name := range quantileNames {
			v[name] = r.Latency[i]
		}
	}
	if w.job.Down > 0 && w.job.PingPong > 0 {
		v["replies"] = r.Replies / r.Seconds
	}
	if w.job.Rate > 0 {
		v["late"] = r.Late.Seconds()
	}
	return Run{Values: v, Errors: r.Errors + r.Unready}
}

// sum sums up the runs of a row.
func (row *Row) sum() {
	row.Sum = map[string]Spread{}
	numbers := map[string][]float64{}
	row.Errors = 0
	for _, run := range row.Runs {
		row.Errors += run.Errors
		for name, v := range run.Values {
			numbers[name] = append(numbers[name], v)
		}
	}
	for name, xs := range numbers {
		row.Sum[name] = spread(xs)
	}
}

// byRound is one value of a row, by the round.
func (row *Row) byRound(name string) map[int]float64 {
	out := map[int]float64{}
	for _, run := range row.Runs {
		if v, ok := run.Values[name]; ok {
			out[run.Round] = v
		}
	}
	return out
}

// row finds a peer's row, nil if it has none.
func (w *WorkResult) row(peer string) *Row {
	i := slices.IndexFunc(w.Rows, func(r Row) bool { return r.Peer == peer })
	if i < 0 {
		return nil
	}
	return &w.Rows[i]
}

// sumUp sums up the rows and compares them.
func (w *WorkResult) sumUp() {
	for i := range w.Rows {
		w.Rows[i].sum()
	}
	w.compare()
}

// compare fills in the ratios of sluice to each peer.
func (w *WorkResult) compare() {
	base := w.row("sluice")
	if base == nil {
		return
	}
	for i := range w.Rows {
		row := &w.Rows[i]
		if row == base {
			continue
		}
		row.Ratio = map[string]Spread{}
		for name := range maps.Keys(row.Sum) {
			if r := ratios(base.byRound(name), row.byRound(name)); len(r) > 0 {
				row.Ratio[name] = spread(r)
			}
		}
	}
}
