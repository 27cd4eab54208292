package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// printTables writes a report for a terminal.
func printTables(to io.Writer, r *Report) {
	fmt.Fprintf(to, "\n%s\n%s; %d rounds of %g s, in %s\n", r.where(), r.Date, r.Rounds, r.Seconds, r.Took)
	if n := r.noise(); n != "" {
		fmt.Fprintln(to, n)
	}
	printPeers(to, r)
	for i := range r.Works {
		w := &r.Works[i]
		fmt.Fprintf(to, "\n%s (%s)\n", w.Title, w.Name)
		cols := columns(w, true)
		t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
		fmt.Fprint(t, "  ")
		for _, c := range cols {
			fmt.Fprintf(t, "\t%s", c.head)
		}
		fmt.Fprintln(t)
		for j := range w.Rows {
			row := &w.Rows[j]
			fmt.Fprintf(t, "  %s", r.title(row.Peer))
			for _, c := range cols {
				fmt.Fprintf(t, "\t%s", c.cell(w, row))
			}
			fmt.Fprintln(t)
		}
		t.Flush()
		for _, remark := range remarks(r, w) {
			fmt.Fprintf(to, "  %s\n", remark)
		}
	}
	printIdle(to, r)
	printCalls(to, r)
	if len(r.Targets) > 0 {
		t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "\ntargets\n  %s\n", strings.Join(targetHeads, "\t"))
		for i := range r.Targets {
			fmt.Fprintf(t, "  %s\n", strings.Join(r.Targets[i].cells(), "\t"))
		}
		t.Flush()
	}
	for _, n := range r.Notes {
		fmt.Fprintf(to, "\nnote: %s\n", n)
	}
}

func printPeers(to io.Writer, r *Report) {
	for _, p := range r.Peers {
		switch {
		case p.Missing != "":
			fmt.Fprintf(to, "\nleft out: %s: %s\n", p.Title, p.Missing)
		case p.Config != "":
			fmt.Fprintf(to, "\n%s: %s\n", p.Title, p.Version)
			fmt.Fprintf(to, "  $ %s\n", p.Command)
			for line := range strings.Lines(strings.TrimRight(p.Config, "\n") + "\n") {
				fmt.Fprint(to, "  | "+line)
			}
		}
		for _, f := range p.Faults {
			fmt.Fprintf(to, "  (!) failed verification: %s\n", f)
		}
	}
}

func printIdle(to io.Writer, r *Report) {
	if len(r.Idle) == 0 {
		return
	}
	fmt.Fprintln(to, "\nidle connections")
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  \t"+strings.Join(idleHeads, "\t")+"\n")
	for _, i := range r.Idle {
		fmt.Fprintf(t, "  %s\t%s\n", r.title(i.Peer), strings.Join(i.cells(), "\t"))
	}
	t.Flush()
}

var idleHeads = []string{
	"connections", "bytes each, PSS", "bytes each, USS", "descriptors each",
	"MiB before", "MiB open", "MiB closed", "descriptors left", "wakeups/s alone", "wakeups/s", "CPU, ms/s",
}

func (i IdleResult) cells() []string {
	n := thousands(i.Connections)
	if i.Unserved > 0 {
		n += fmt.Sprintf(" (%d more were not served)", i.Unserved)
	}
	mib := func(m Memory) string { return digits(m.PSS / (1 << 20)) }
	return []string{
		n, digits(i.Each), digits(i.EachUSS), digits(i.Descriptors),
		mib(i.Before), mib(i.Open), mib(i.After), fmt.Sprint(i.Left), digits(i.Alone), digits(i.Wakeups), digits(i.CPU * 1e3),
	}
}

func printCalls(to io.Writer, r *Report) {
	if len(r.Calls) == 0 {
		return
	}
	fmt.Fprintf(to, "\nsystem calls of the proxy a unit, in a pass of its own under %s\n", r.Calls[0].By)
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, c := range r.Calls {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", c.Work, r.title(c.Peer), digits(c.PerUnit)+" a "+c.Unit, c.breakdown())
	}
	t.Flush()
}

// breakdown names the most frequent calls.
func (c CallsResult) breakdown() string {
	var out []string
	for _, name := range most(c.Calls, 6) {
		out = append(out, name+" "+digits(c.Calls[name]))
	}
	return strings.Join(out, ", ")
}
