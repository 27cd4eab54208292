package control

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"sluice/state"
)

// Plan is what a reload changed.
type Plan struct {
	Listeners Diff `json:"listeners,omitzero"`
	Pools     Diff `json:"pools,omitzero"`
	Backends  Diff `json:"backends,omitzero"` // by pool/name
}

// Diff is the names of what was added, changed and removed, each in order.
type Diff struct {
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// planOf compares the configured rows of two views.
func planOf(before, after *state.View) Plan {
	name := func(b *state.Backend) string { return b.Pool + "/" + b.Name }
	return Plan{
		Listeners: diff(before.Listeners(), after.Listeners(),
			func(l *state.Listener) string { return l.Name }, nil),
		Pools: diff(before.Pools(), after.Pools(),
			func(p *state.Pool) string { return p.Name }, nil),
		// A line put in before a backend moves it, which is no change that
		// anybody asked for.
		Backends: diff(before.AllBackends(), after.AllBackends(), name,
			func(a, b *state.Backend) bool { return a.Backend == b.Backend && a.Source == b.Source }),
	}
}

// diff compares rows by name. Rows that are the same pointer are the same, and
// so are those that same, if given, says are.
func diff[T any](before, after iter.Seq[*T], name func(*T) string, same func(a, b *T) bool) Diff {
	var d Diff
	gone := map[string]*T{}
	for row := range before {
		gone[name(row)] = row
	}
	for row := range after {
		n := name(row)
		old, ok := gone[n]
		delete(gone, n)
		switch {
		case !ok:
			d.Added = append(d.Added, n)
		case old != row && (same == nil || !same(old, row)):
			d.Changed = append(d.Changed, n)
		}
	}
	for n := range gone {
		d.Removed = append(d.Removed, n)
	}
	slices.Sort(d.Removed)
	return d
}

// Empty reports whether the reload changed nothing.
func (p Plan) Empty() bool {
	return p.Listeners.empty() && p.Pools.empty() && p.Backends.empty()
}

// String is the plan on one line: "listeners +web; backends +web/b3 ~web/b2
// -web/b1", or "nothing changed".
func (p Plan) String() string {
	var parts []string
	for _, part := range []struct {
		what string
		diff Diff
	}{{"listeners", p.Listeners}, {"pools", p.Pools}, {"backends", p.Backends}} {
		if !part.diff.empty() {
			parts = append(parts, part.what+part.diff.String())
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, "; ")
}

func (d Diff) empty() bool { return len(d.Added)+len(d.Changed)+len(d.Removed) == 0 }

// String is the names with + for added, ~ for changed and - for removed, each
// after a space.
func (d Diff) String() string {
	return some(" +", d.Added) + some(" ~", d.Changed) + some(" -", d.Removed)
}

// mostNames is how many names of one kind fit on a line that people read.
const mostNames = 5

func some(sign string, names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i == mostNames {
			fmt.Fprintf(&b, "%s(%d more)", sign, len(names)-i)
			break
		}
		b.WriteString(sign + n)
	}
	return b.String()
}
