package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A number in a table has three digits that count.
func digits(x float64) string {
	switch a := math.Abs(x); {
	case a == 0:
		return "0"
	case a >= 9999.5:
		return thousands(int(math.Round(x)))
	case a >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case a >= 0.9995:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

// scale is how a value of a work is shown: its factor and its unit.
func scale(value, unit string) (float64, string) {
	switch value {
	case "rate":
		return 1, map[string]string{"GB": "GB/s", "request": "requests/s", "connection": "connections/s"}[unit]
	case "cpu", "total", "machine":
		if unit == "GB" {
			return 1, "s/GB"
		}
		return 1e6, "µs/" + unit
	case "user":
		return 100, "%"
	case "replies":
		return 1, "requests/s"
	case "ratio":
		return 1, ""
	}
	return 1e3, "ms" // latencies
}

// text is a spread's median, scaled; "" if there is none.
func (s Spread) text(factor float64) string {
	if s.N == 0 {
		return ""
	}
	return digits(s.Median * factor)
}

// whole is the median with what the rounds showed around it.
func (s Spread) whole(factor float64) string {
	switch {
	case s.N == 0:
		return ""
	case s.N == 1:
		return digits(s.Median * factor)
	}
	return fmt.Sprintf("%s (%s-%s)", digits(s.Median*factor), digits(s.Min*factor), digits(s.Max*factor))
}

// column is one of a work's table.
type column struct {
	head string
	cell func(w *WorkResult, row *Row) string
}

// columns are those that at least one row of the work has something in. A
// brief table fits a terminal.
func columns(w *WorkResult, brief bool) []column {
	value := func(name, head string, spread bool) column {
		factor, unit := scale(name, w.Unit)
		return column{head + ", " + unit, func(_ *WorkResult, row *Row) string {
			if spread {
				return row.Sum[name].whole(factor)
			}
			return row.Sum[name].text(factor)
		}}
	}
	ratio := func(name, head string) column {
		return column{"sluice/peer " + head, func(_ *WorkResult, row *Row) string { return row.Ratio[name].whole(1) }}
	}
	all := []column{
		value("rate", "rate", false), value("cpu", "proxy CPU", true), value("total", "CPU of all", false),
		value("replies", "ping-pong", false),
		value("p50", "p50", false), value("p99", "p99", false), value("p999", "p99.9", false),
		ratio("cpu", "CPU"), ratio("rate", "rate"), ratio("p99", "p99"),
	}
	if !brief {
		all = slices.Insert(all, 5, value("p90", "p90", false))
		all = slices.Insert(all, 3, value("machine", "CPU of the machine", false))
		all = slices.Insert(all, 2, value("user", "of it user", false))
	}
	var out []column
	for _, c := range all {
		for i := range w.Rows {
			if t := c.cell(w, &w.Rows[i]); t != "" && t != "0" {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// remarks are what must be said beside a work's table.
func remarks(r *Report, w *WorkResult) []string {
	var out []string
	if w.Rate > 0 {
		out = append(out, fmt.Sprintf("%s requests a second on a schedule; latency counts from when a request was due.", digits(w.Rate)))
	}
	if w.Commit != r.Commit || w.Seconds != r.Seconds {
		out = append(out, fmt.Sprintf("Measured apart from the rest: %s, commit %s, %d rounds of %g s.", w.Date, w.Commit, w.Rounds, w.Seconds))
	}
	if len(w.Repeated) > 0 {
		out = append(out, "Repeated: "+strings.Join(w.Repeated, "; ")+".")
	}
	if w.Disturbed > 0 {
		out = append(out, fmt.Sprintf("%d of %d rounds were disturbed.", w.Disturbed, w.Rounds))
	}
	out = append(out, w.Absent...)
	for _, row := range w.Rows {
		if row.Errors > 0 {
			out = append(out, fmt.Sprintf("%s: %d connections broke or were not served.", r.title(row.Peer), row.Errors))
		}
		if late := row.Sum["late"].Max; late > 0.005 {
			out = append(out, fmt.Sprintf("%s: the client itself was up to %.1f ms late.", r.title(row.Peer), late*1e3))
		}
	}
	return out
}

// title is a peer's, marked if it failed the verification.
func (r *Report) title(peer string) string {
	for _, p := range r.Peers {
		if p.Name == peer {
			if len(p.Faults) > 0 {
				return p.Title + " (!)"
			}
			return p.Title
		}
	}
	return peer
}
