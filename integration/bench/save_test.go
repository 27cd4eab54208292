package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func TestResultsAreReplacedAndKeepTheirOrder(t *testing.T) {
	r := &Report{}
	for _, w := range []WorkResult{{Name: "mixed", Commit: "a"}, {Name: "bulk-down-1", Commit: "a"}, {Name: "mixed", Commit: "b"}} {
		r.put(w)
		r.putCalls(w.Name, []CallsResult{{Work: w.Name, By: w.Commit}})
	}
	want := []WorkResult{{Name: "bulk-down-1", Commit: "a"}, {Name: "mixed", Commit: "b"}}
	if !reflect.DeepEqual(r.Works, want) {
		t.Errorf("got %v, want %v", r.Works, want)
	}
	if len(r.Calls) != 2 || r.Calls[0].Work != "bulk-down-1" || r.Calls[1].By != "b" {
		t.Errorf("system calls: got %v", r.Calls)
	}
}

func TestPeersKeepWhatTheyFailedElsewhere(t *testing.T) {
	r := &Report{Peers: []PeerInfo{
		{Name: "pen", Faults: []string{"veth: a", "loopback: old"}},
		{Name: "sluice"},
	}}
	for range 2 { // once more changes nothing
		r.putPeers([]PeerInfo{{Name: "pen", Faults: []string{"loopback: new"}}, {Name: "nginx"}}, []string{"loopback"}, []string{"sluice", "nginx", "pen"})
	}
	want := []PeerInfo{{Name: "sluice"}, {Name: "nginx"}, {Name: "pen", Faults: []string{"loopback: new", "veth: a"}}}
	if !reflect.DeepEqual(r.Peers, want) {
		t.Errorf("got %v, want %v", r.Peers, want)
	}
}

func TestResumeDoesAgainWhatAnotherCommitDid(t *testing.T) {
	w := Work{name: "w"}
	done := WorkResult{Name: "w", Commit: "now", Rounds: 5, Seconds: 1}
	for _, c := range []struct {
		name   string
		change func(b *bench, w *WorkResult)
		want   bool
	}{
		{"the same", func(*bench, *WorkResult) {}, true},
		{"another commit", func(_ *bench, w *WorkResult) { w.Commit = "then" }, false},
		{"shorter windows", func(_ *bench, w *WorkResult) { w.Seconds = 0.5 }, false},
		{"fewer rounds", func(_ *bench, w *WorkResult) { w.Rounds = 2 }, false},
		{"not resumed", func(b *bench, _ *WorkResult) { b.o.resume = false }, false},
	} {
		b := &bench{o: &options{resume: true, rounds: 5, window: time.Second}, commit: "now"}
		old := done
		c.change(b, &old)
		b.report.put(old)
		if got := b.has(w); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// A run is cut short after its first work; then the rest is done, and then one
// work is measured anew.
func TestRunIsResumedAndMerged(t *testing.T) {
	if testing.Short() {
		testnet.Skip(t, "it measures, and -short is set")
	}
	t.Parallel()
	testnet.NeedRoot(t)
	testnet.Need(t, "ip")
	me, err := os.Executable()
	testnet.Must(t, "find this binary", err)
	out := t.TempDir()
	bench := func(args ...string) *Report {
		t.Helper()
		var stdout, stderr bytes.Buffer
		common := []string{"--sluice", me, "--out", out, "--rounds", "1", "--repeats", "0", "--seconds", "0.05", "--calls=false", "--peers", "sluice"}
		if code := drive(append(common, args...), &stdout, &stderr); code != 0 {
			t.Fatalf("%v: exit code %d:\n%s", args, code, &stderr)
		}
		r, found, err := readReport(out, latestFile)
		if !found || err != nil {
			t.Fatalf("%v: nothing was written: %v", args, err)
		}
		return &r
	}
	first := bench("--work", "bulk-up-8")
	testnet.Must(t, "make of it a run that was cut short", os.Rename(filepath.Join(out, recordDir, latestFile), filepath.Join(out, recordDir, partialFile)))

	whole := bench("--resume", "--work", "bulk-up-8,short-server")
	if len(whole.Works) != 2 || !reflect.DeepEqual(whole.Works[0], first.Works[0]) {
		t.Errorf("resumed: got %d works, and the first again: %v", len(whole.Works), whole.Works[0].Name)
	}
	if exists(filepath.Join(out, recordDir, partialFile)) {
		t.Error("the run is whole, and what there was of it is still kept")
	}
	merged := bench("--merge", "--work", "short-server")
	if len(merged.Works) != 2 || !reflect.DeepEqual(merged.Works[0], first.Works[0]) {
		t.Errorf("merged: got %v", merged.Works)
	}
	if reflect.DeepEqual(merged.Works[1].Rows, whole.Works[1].Rows) {
		t.Error("merged: the work was not measured anew")
	}
	page, err := os.ReadFile(filepath.Join(out, "benchmarks.md"))
	testnet.Must(t, "read the page", err)
	testnet.Must(t, "make the page anew", remake([]string{"--out", out}))
	again, err := os.ReadFile(filepath.Join(out, "benchmarks.md"))
	testnet.Must(t, "read the page", err)
	if !slices.Equal(page, again) || !strings.Contains(string(page), "backend closes; 64 clients") {
		t.Errorf("the page that was made anew is another:\n%s", again)
	}
}

func TestWhatIsReadBackIsWhatWasSaved(t *testing.T) {
	dir, was := t.TempDir(), sampleReport()
	testnet.Must(t, "save", save(dir, latestFile, was))
	got, found, err := readReport(dir, latestFile)
	if !found || err != nil {
		t.Fatalf("read back: %v, %v", found, err)
	}
	if len(got.Works) != len(was.Works) || !reflect.DeepEqual(got.Targets, was.Targets) {
		t.Errorf("got %d works and %d targets, want %d and %d", len(got.Works), len(got.Targets), len(was.Works), len(was.Targets))
	}
	for i, w := range was.Works {
		for k, row := range w.Rows {
			back := got.Works[i].Rows[k]
			if !near(back.Sum["cpu"].Median, row.Sum["cpu"].Median) || !near(back.Ratio["cpu"].Max, row.Ratio["cpu"].Max) {
				t.Errorf("%s, %s: got %v, want %v", w.Name, row.Peer, back.Sum["cpu"], row.Sum["cpu"])
			}
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*math.Abs(b) }

func TestPageOfNothingIsRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--out " + t.TempDir(), "nothing was measured yet"},
		{"docs", "usage"},
	} {
		if err := remake(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want an error about %q", c.args, err, c.want)
		}
	}
}
