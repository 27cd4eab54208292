package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOptionsHaveDefaultsThatFitTheMode(t *testing.T) {
	for _, c := range []struct {
		args   string
		rounds int
		window time.Duration
		out    string
	}{
		{"", fullRounds, 750 * time.Millisecond, "docs"},
		{"--quick", quickRounds, 500 * time.Millisecond, ""},
		{"--quick --out x --rounds 7", 7, 500 * time.Millisecond, "x"},
		{"--work bulk --seconds 0.25", fullRounds, 250 * time.Millisecond, ""},
		{"--peers sluice,nginx", fullRounds, 750 * time.Millisecond, ""},
		{"--work mixed --merge", fullRounds, 750 * time.Millisecond, "docs"},
	} {
		o, err := parseOptions(strings.Fields(c.args), io.Discard)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		if o.rounds != c.rounds || o.window != c.window || o.out != c.out {
			t.Errorf("%q: got %d rounds of %v into %q, want %d, %v, %q", c.args, o.rounds, o.window, o.out, c.rounds, c.window, c.out)
		}
	}
}

func TestOptionsRefuseNonsense(t *testing.T) {
	for args, want := range map[string]string{
		"--rounds -1":      "--rounds",
		"--seconds 1000":   "--seconds",
		"--loops -2":       "--loops",
		"--resume --quick": "--resume",
		"bulk":             `unexpected argument "bulk"`,
		"--no-such-flag":   "not defined",
	} {
		_, err := parseOptions(strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error about %q", args, err, want)
		}
	}
}

func TestWorkIsChosenByNameBeginningOrPattern(t *testing.T) {
	all := allWorks()
	for _, c := range []struct {
		patterns string
		want     []string
	}{
		{"idle", []string{"idle"}},
		{"ping-pong-128", []string{"ping-pong-128-1", "ping-pong-128-50", "ping-pong-128-500"}},
		{"bulk-*-1,mixed", []string{"bulk-down-1", "bulk-up-1", "mixed"}},
	} {
		works, err := chooseWorks(all, list(c.patterns), true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range works {
			got = append(got, w.name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.patterns, got, c.want)
		}
	}
	if _, err := chooseWorks(all, []string{"bulky"}, false); err == nil {
		t.Error("a work that does not exist was accepted")
	}
	if _, err := choosePeers(allPeers(&options{}), []string{"envoi"}, all); err == nil {
		t.Error("a peer that does not exist was accepted")
	}
}

func TestEveryWorkIsNamedOnceAndHasKnownPeers(t *testing.T) {
	known := map[string]bool{}
	for _, p := range allPeers(&options{other: "x"}) {
		known[p.name] = true
		if colours[p.name] == "" {
			t.Errorf("%s has no colour", p.name)
		}
	}
	seen := map[string]bool{}
	for _, w := range allWorks() {
		if seen[w.name] {
			t.Errorf("two works are called %s", w.name)
		}
		seen[w.name] = true
		for _, p := range w.peers {
			if !known[p] {
				t.Errorf("%s: no peer is called %s", w.name, p)
			}
		}
	}
	for _, a := range aims() {
		if !seen[a.work] {
			t.Errorf("a target is about %s, which is no work", a.work)
		}
	}
}
