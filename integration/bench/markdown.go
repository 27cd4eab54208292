package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What is between the markers is made anew by each run; the prose around them
// is kept.
const (
	beginMarker = "<!-- bench: begin; made by `go run ./integration/bench`, do not edit -->"
	endMarker   = "<!-- bench: end -->"
)

// writeFiles writes benchmarks.md, bench/latest.json and the pictures.
func writeFiles(dir string, r *Report) error {
	sub := filepath.Join(dir, recordDir)
	if err := save(dir, latestFile, r); err != nil {
		return err
	}
	kept, _, err := readReport(dir, latestFile) // so that page makes the same again
	if err != nil {
		return err
	}
	kept.Targets = judge(&kept)
	r = &kept
	var errs []error
	pictures := plots(r)
	for _, p := range pictures {
		errs = append(errs, os.WriteFile(filepath.Join(sub, p.file), []byte(p.svg), 0o644))
	}
	page := filepath.Join(dir, "benchmarks.md")
	old, err := os.ReadFile(page)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	made, err := between(string(old), markdown(r, pictures))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	if err := errors.Join(append(errs, os.WriteFile(page, []byte(made), 0o644))...); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(sub, partialFile)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// between puts text in the place of what is between the markers, or at the end
// if there are none.
func between(page, text string) (string, error) {
	begin, end := strings.Index(page, beginMarker), strings.Index(page, endMarker)
	made := beginMarker + "\n" + strings.TrimSpace(text) + "\n" + endMarker
	switch {
	case begin < 0 && end < 0 && page == "":
		return "# Benchmarks\n\n" + made + "\n", nil
	case begin < 0 && end < 0:
		return strings.TrimRight(page, "\n") + "\n\n" + made + "\n", nil
	case begin < 0 || end < begin:
		return "", errors.New("the markers are not in order")
	}
	return page[:begin] + made + page[end+len(endMarker):], nil
}

// markdown is the generated part of the page.
func markdown(r *Report, pictures []picture) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  \n%s, `%s`: %d rounds of %g s, in %s.\n", r.where(), r.Date, r.Command, r.Rounds, r.Seconds, r.Took)
	b.WriteString(`
Each number is the median over rounds, with the least and the greatest behind it. A ratio is sluice's number over the peer's in the same round, then the median of these: below 1 means that sluice needs less. "sluice again" is sluice measured a second time under another name: what its ratio is off from 1 is noise. "CPU of all" is that of client, proxy and backend together. Congestion control is reno, time-wait sockets are off, clients come from 32 addresses; client and backend throw bulk data away without looking at it.

`)
	if n := r.noise(); n != "" {
		fmt.Fprintf(&b, "%s.\n\n", n)
	}
	for _, p := range pictures {
		fmt.Fprintf(&b, "![%s](bench/%s)\n\n", p.alt, p.file)
	}
	writeTargets(&b, r)
	for i := range r.Works {
		w := &r.Works[i]
		fmt.Fprintf(&b, "### %s\n", upper(w.Title))
		cols := columns(w, false)
		heads := []string{""}
		for _, c := range cols {
			heads = append(heads, c.head)
		}
		var rows [][]string
		for j := range w.Rows {
			cells := []string{r.title(w.Rows[j].Peer)}
			for _, c := range cols {
				cells = append(cells, c.cell(w, &w.Rows[j]))
			}
			rows = append(rows, cells)
		}
		grid(&b, heads, rows)
		for _, remark := range remarks(r, w) {
			fmt.Fprintf(&b, "%s  \n", remark)
		}
		b.WriteString("\n")
	}
	writeIdle(&b, r)
	writeCalls(&b, r)
	writePeers(&b, r)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "Note: %s\n\n", n)
	}
	return b.String()
}

func writeTargets(b *strings.Builder, r *Report) {
	if len(r.Targets) == 0 {
		return
	}
	b.WriteString("### What sluice is to reach\n")
	var sums [][]string
	for _, row := range rowsOf(r.Targets) {
		met, n := reached(r.Targets, row)
		sums = append(sums, []string{row, fmt.Sprintf("%d of %d", met, n)})
	}
	grid(b, []string{"", "met"}, sums)
	b.WriteString(`
A ratio is sluice's number over the peer's, or, for the extras, that of sluice with them over sluice without. A/A is how far sluice was from itself in a round of the same work: a target that is nearer than that to what was measured is met or missed within noise. "The floor's own" is the ratio that the C program reaches which makes the same system calls and nothing else, to the same peer; "sluice/floor" is how far sluice is from it.

`)
	var rows [][]string
	for i := range r.Targets {
		t := &r.Targets[i]
		cells := t.cells()
		if !t.Reached {
			cells[4] = "**" + cells[4] + "**"
		}
		rows = append(rows, cells)
	}
	grid(b, targetHeads, rows)
	b.WriteString("\n")
}

func writeIdle(b *strings.Builder, r *Report) {
	if len(r.Idle) == 0 {
		return
	}
	b.WriteString("### Idle connections\nUser memory from smaps_rollup; the kernel's is not in it. Health checks are off.\n\n")
	var rows [][]string
	for _, i := range r.Idle {
		rows = append(rows, append([]string{r.title(i.Peer)}, i.cells()...))
	}
	grid(b, append([]string{""}, idleHeads...), rows)
	b.WriteString("\n")
}

func writeCalls(b *strings.Builder, r *Report) {
	if len(r.Calls) == 0 {
		return
	}
	fmt.Fprintf(b, "### System calls\nOf the proxy, counted in a pass of its own by %s.\n\n", r.Calls[0].By)
	var rows [][]string
	for _, c := range r.Calls {
		rows = append(rows, []string{c.Work, r.title(c.Peer), digits(c.PerUnit) + " a " + c.Unit, c.breakdown()})
	}
	grid(b, []string{"work", "", "all", "the most frequent"}, rows)
	b.WriteString("\n")
}

func writePeers(b *strings.Builder, r *Report) {
	b.WriteString("### The peers and their settings\n")
	for _, p := range r.Peers {
		if p.Missing != "" {
			fmt.Fprintf(b, "- Left out: %s: %s.\n", p.Title, p.Missing)
		}
		for _, f := range p.Faults {
			fmt.Fprintf(b, "- (!) %s failed the verification: %s.\n", p.Title, f)
		}
	}
	for _, p := range r.Peers {
		if p.Config == "" {
			continue
		}
		fmt.Fprintf(b, "<details><summary>%s</summary>\n\n%s\n\n```\n$ %s\n\n%s```\n</details>\n", p.Title, p.Version, p.Command, p.Config)
	}
	b.WriteString("\n")
}

// grid writes a table; the first column is to the left, the others to the right.
func grid(b *strings.Builder, heads []string, rows [][]string) {
	fmt.Fprintf(b, "| %s |\n|---|%s\n", strings.Join(heads, " | "), strings.Repeat("---:|", len(heads)-1))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
