package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A run is kept as it goes on, so that one that was cut short can be resumed,
// and a run of a part can be put among the results of the whole.
//
//	          +-- after each work --> bench/partial.json --+
//	measure --+                                            | --resume
//	          +-- at the end -------> bench/latest.json    +--> skips what is done
//	                                        |  --merge: the rest stays as it was
//	                                        +--> benchmarks.md, pictures
const (
	latestFile  = "latest.json"
	partialFile = "partial.json"
)

// recordDir is where under the directory of the page the files are.
const recordDir = "bench"

// readReport reads a report; one that does not exist is empty.
func readReport(dir, file string) (r Report, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, recordDir, file))
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		if err = json.Unmarshal(text, &r); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
	}
	for i := range r.Works {
		r.Works[i].sumUp()
	}
	return r, err == nil, err
}

// encode is a report as JSON, a run on a line. What can be reckoned from the
// runs is not in it, and the numbers have the digits that they are worth.
func encode(r *Report) ([]byte, error) {
	lean := *r
	lean.Works = slices.Clone(r.Works)
	for i := range lean.Works {
		rows := slices.Clone(lean.Works[i].Rows)
		for k := range rows {
			rows[k].Sum, rows[k].Ratio = nil, nil
			rows[k].Runs = slices.Clone(rows[k].Runs)
			for j, run := range rows[k].Runs {
				rows[k].Runs[j].Values = fiveDigits(run.Values)
			}
		}
		lean.Works[i].Rows = rows
	}
	text, err := json.Marshal(&lean)
	for _, begin := range []string{`{"name":`, `{"peer":`, `{"round":`, `{"row":`, `{"work":`} {
		text = bytes.ReplaceAll(text, []byte(begin), []byte("\n"+begin)) // no string has an unescaped quote
	}
	return append(text, '\n'), err
}

func fiveDigits(values map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for name, v := range values {
		out[name], _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	}
	return out
}

// begin is the report that a run adds to.
func begin(o *options) (Report, error) {
	if o.resume {
		r, found, err := readReport(o.out, partialFile)
		if found || err != nil {
			return r, err
		}
	}
	if o.merge {
		r, _, err := readReport(o.out, latestFile)
		return r, err
	}
	return Report{}, nil
}

// save writes the report as a file of its directory, whole or not at all.
func save(dir, file string, r *Report) error {
	sub := filepath.Join(dir, recordDir)
	if err := os.MkdirAll(sub, 0o755); err != nil {
		return err
	}
	text, err := encode(r)
	if err != nil {
		return err
	}
	made := filepath.Join(sub, file+".new")
	if err := os.WriteFile(made, text, 0o644); err != nil {
		return err
	}
	return os.Rename(made, filepath.Join(sub, file))
}

// keep writes down what has been measured up to now.
func (b *bench) keep() error {
	if b.o.out == "" {
		return nil
	}
	b.describe()
	return save(b.o.out, partialFile, &b.report)
}

// has reports whether a resumed run need not do a work again: the same commit
// did it, in as many windows as long.
func (b *bench) has(w Work) bool {
	if !b.o.resume {
		return false
	}
	if w.hold > 0 {
		return len(b.report.Idle) > 0 && b.report.Idle[0].Commit == b.commit
	}
	old := b.report.work(w.name)
	return old != nil && old.Commit == b.commit && old.Seconds == b.o.window.Seconds() && old.Rounds == b.rounds(w)
}

// put places a work's result where it belongs, instead of an older one.
func (r *Report) put(res WorkResult) {
	r.Works = slices.DeleteFunc(r.Works, func(w WorkResult) bool { return w.Name == res.Name })
	r.Works = append(r.Works, res)
	slices.SortStableFunc(r.Works, func(a, b WorkResult) int { return placeOf(a.Name) - placeOf(b.Name) })
}

// putCalls does the same for the system calls of a work.
func (r *Report) putCalls(work string, calls []CallsResult) {
	r.Calls = slices.DeleteFunc(r.Calls, func(c CallsResult) bool { return c.Work == work })
	r.Calls = append(r.Calls, calls...)
	slices.SortStableFunc(r.Calls, func(a, b CallsResult) int { return placeOf(a.Work) - placeOf(b.Work) })
}

// placeOf is a work's place in the order of the page.
func placeOf(name string) int {
	return slices.IndexFunc(allWorks(), func(w Work) bool { return w.name == name })
}

// putPeers replaces those that took part in this run. What they failed at sites
// that this run did not look at stays true of them.
func (r *Report) putPeers(now []PeerInfo, sites []string, places []string) {
	for i, p := range now {
		k := slices.IndexFunc(r.Peers, func(old PeerInfo) bool { return old.Name == p.Name })
		if k < 0 {
			continue
		}
		for _, fault := range r.Peers[k].Faults {
			if site, _, _ := strings.Cut(fault, ":"); !slices.Contains(sites, site) && !slices.Contains(p.Faults, fault) {
				now[i].Faults = append(now[i].Faults, fault)
			}
		}
		r.Peers = slices.Delete(r.Peers, k, k+1)
	}
	r.Peers = append(r.Peers, now...)
	slices.SortStableFunc(r.Peers, func(a, b PeerInfo) int {
		return slices.Index(places, a.Name) - slices.Index(places, b.Name)
	})
}

// stamp says of a result when, where in the history and how long it was
// measured, since those around it may be of another run.
func (b *bench) stamp(w *WorkResult) {
	w.Commit, w.Date, w.Seconds = b.commit, today(), b.o.window.Seconds()
}

func today() string { return time.Now().UTC().Format("2006-01-02 15:04 UTC") }

// sooner is how long a run took that is now resumed.
func sooner(r *Report) time.Duration {
	d, _ := time.ParseDuration(r.Took)
	return d
}

// remake makes the page anew out of what was measured last.
func remake(args []string) error {
	dir := "docs"
	switch {
	case len(args) == 2 && args[0] == "--out":
		dir = args[1]
	case len(args) > 0:
		return errors.New("usage: go run ./integration/bench page [--out directory]")
	}
	r, found, err := readReport(dir, latestFile)
	if err == nil && !found {
		err = fmt.Errorf("%s: nothing was measured yet", filepath.Join(dir, recordDir, latestFile))
	}
	if err != nil {
		return err
	}
	return writeFiles(dir, &r)
}
