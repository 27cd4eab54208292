package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// picture is one file of the page.
type picture struct{ file, alt, svg string }

// colours of the peers: sluice stands out, and all can be told apart in the
// light and in the dark.
var colours = map[string]string{
	"sluice": "#2f81f7", "sluice-again": "#79b8ff", "sluice-bare": "#9ccbff", "sluice-full": "#5a9be8",
	"sluice-1": "#a5d0ff", "sluice-2": "#4f9cf9", "sluice-8": "#1558b0", "sluice-other": "#1b9aaa",
	"haproxy": "#d1622b", "haproxy-1m": "#e0a030", "haproxy-copy": "#b5482f", "nginx": "#3fa45b",
	"pen": "#7a8b3a", "go-copy": "#8b7bd8", "floor": "#c2569b", "dnat": "#8c959f", "direct": "#aab3bc",
}

// plots are the pictures that the report has something for.
func plots(r *Report) []picture {
	var out []picture
	for _, make := range []func(*Report) (picture, bool){plotCPU, plotLatency, plotMemory, plotConnections, plotBackends} {
		if p, ok := make(r); ok {
			out = append(out, p)
		}
	}
	return out
}

func (r *Report) work(name string) *WorkResult {
	i := slices.IndexFunc(r.Works, func(w WorkResult) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Works[i]
}

// short names the machine under a picture.
func (r *Report) short() string {
	return fmt.Sprintf("%s, %d CPUs, Linux %s, commit %s, %s", r.Machine, r.CPUs, r.Kernel, r.Commit, r.Date)
}

func plotCPU(r *Report) (picture, bool) {
	var panels []*WorkResult
	for _, name := range []string{"bulk-down-8", "bulk-up-8", "ping-pong-128-50", "ping-pong-4096-50", "short-client", "short-server"} {
		if w := r.work(name); w != nil && len(w.Rows) > 0 {
			panels = append(panels, w)
		}
	}
	if len(panels) == 0 {
		return picture{}, false
	}
	const width, gap = 450.0, 20.0
	rowHeights := []float64{}
	y := 84.0
	heightOf := func(w *WorkResult) float64 { return 28 + barHeight*float64(len(barsOf(r, w))) + 34 }
	for i := 0; i < len(panels); i += 2 {
		h := heightOf(panels[i])
		if i+1 < len(panels) {
			h = max(h, heightOf(panels[i+1]))
		}
		rowHeights = append(rowHeights, h)
		y += h
	}
	s := newSVG(2*width+3*gap, y, "CPU time of the proxy for a unit of work: less is better", r.short())
	y = 84
	for i, w := range panels {
		_, unit := scale("cpu", w.Unit)
		s.bars(box{gap + float64(i%2)*(width+gap), y, width, 0}, upper(w.Title), unit+", median and range of rounds", barsOf(r, w))
		if i%2 == 1 {
			y += rowHeights[i/2]
		}
	}
	return picture{"cpu.svg", "CPU time of the proxy for a unit of work, by peer", s.String()}, true
}

func barsOf(r *Report, w *WorkResult) []bar {
	factor, _ := scale("cpu", w.Unit)
	var out []bar
	for _, row := range w.Rows {
		sum := row.Sum["cpu"]
		if sum.Median == 0 || row.Peer != "sluice" && row.Peer != "sluice-other" && strings.HasPrefix(row.Peer, "sluice-") {
			continue
		}
		out = append(out, bar{shorter(r.title(row.Peer)), digits(sum.Median * factor), sum.Median, sum.Min, sum.Max, colours[row.Peer]})
	}
	return out
}

// shorter is a title that fits beside a bar or a line.
func shorter(title string) string {
	for long, short := range map[string]string{"HAProxy, splice, 1 MiB pipes": "HAProxy, 1 MiB pipes", "sluice, the other build": "sluice, other"} {
		if title == long {
			return short
		}
	}
	return title
}

func plotLatency(r *Report) (picture, bool) {
	var panels []*WorkResult
	for _, name := range []string{"schedule-128-50", "schedule-128-500", "schedule-4096-50"} {
		if w := r.work(name); w != nil && len(w.Rows) > 0 {
			panels = append(panels, w)
		}
	}
	if len(panels) == 0 {
		return picture{}, false
	}
	const height, gap = 292.0, 20.0
	columns, width := 2, 450.0
	if len(panels) == 1 {
		columns, width = 1, 620
	}
	rows := (len(panels) + 1) / 2
	s := newSVG(float64(columns)*(width+gap)+gap, 84+float64(rows)*height-10, "Latency at a fixed rate: less is better", r.short())
	for i, w := range panels {
		all, low, high := latencies(r, w)
		ticks := logTicks(low, high)
		s.lines(box{gap + float64(i%2)*(width+gap), 84 + float64(i/2)*height, width, height - 32},
			upper(w.Title)+", "+digits(w.Rate)+"/s",
			axis{label: "share of requests not slower", low: 0, high: 3, ticks: []float64{0, 1, 2, 3},
				tickText: func(v float64) string { return []string{"50%", "90%", "99%", "99.9%"}[int(v)] }},
			axis{label: "ms since the request was due (logarithmic)", low: ticks[0], high: ticks[len(ticks)-1], log: true, ticks: ticks, tickText: tickText},
			all)
	}
	return picture{"latency.svg", "latency percentiles at a fixed rate, by peer", s.String()}, true
}

func latencies(r *Report, w *WorkResult) (all []series, low, high float64) {
	low, high = math.Inf(1), 0
	for _, row := range w.Rows {
		line := series{label: shorter(r.title(row.Peer)), colour: colours[row.Peer]}
		for i, name := range quantileNames {
			if ms := row.Sum[name].Median * 1e3; ms > 0 {
				line.x, line.y = append(line.x, float64(i)), append(line.y, ms)
				low, high = min(low, ms), max(high, ms)
			}
		}
		if len(line.x) > 0 {
			all = append(all, line)
		}
	}
	if len(all) == 0 {
		low, high = 1, 10
	}
	return all, low, high
}

func plotMemory(r *Report) (picture, bool) {
	if len(r.Idle) == 0 {
		return picture{}, false
	}
	var all []bar
	for _, i := range r.Idle {
		all = append(all, bar{label: shorter(r.title(i.Peer)), text: digits(i.Each), value: max(i.Each, 0), colour: colours[i.Peer]})
	}
	s := newSVG(660, 84+28+barHeight*float64(len(all))+20, "Memory of an idle connection: less is better", r.short())
	s.bars(box{20, 84, 620, 0}, "User memory (PSS)", "bytes each", all)
	return picture{"memory.svg", "bytes of user memory for each idle connection, by peer", s.String()}, true
}

func plotConnections(r *Report) (picture, bool) {
	return plotGrowth(r, "connections-", "connections.svg", "Cost as connections grow", "open connections (logarithmic)",
		"CPU time of a request as the number of connections grows, by peer")
}

func plotBackends(r *Report) (picture, bool) {
	return plotGrowth(r, "backends-", "backends.svg", "Cost as backends grow", "backends in the pool (logarithmic)",
		"CPU time of a connection as the number of backends grows, by peer")
}

// plotGrowth draws the CPU of the works whose names begin with prefix over
// their number.
func plotGrowth(r *Report, prefix, file, title, label, alt string) (picture, bool) {
	lines := map[string]*series{}
	var order []string
	var ticks []float64
	low, high, unit, factor := math.Inf(1), 0.0, "", 1.0
	for i := range r.Works {
		w := &r.Works[i]
		if w.Grow == 0 || len(w.Name) < len(prefix) || w.Name[:len(prefix)] != prefix {
			continue
		}
		factor, unit = scale("cpu", w.Unit)
		ticks = append(ticks, float64(w.Grow))
		for _, row := range w.Rows {
			v := row.Sum["cpu"].Median * factor
			if v == 0 {
				continue
			}
			if lines[row.Peer] == nil {
				lines[row.Peer] = &series{label: shorter(r.title(row.Peer)), colour: colours[row.Peer]}
				order = append(order, row.Peer)
			}
			l := lines[row.Peer]
			l.x, l.y = append(l.x, float64(w.Grow)), append(l.y, v)
			low, high = min(low, v), max(high, v)
		}
	}
	if len(ticks) < 2 || len(order) == 0 {
		return picture{}, false
	}
	var all []series
	for _, peer := range order {
		all = append(all, *lines[peer])
	}
	y := axis{label: "proxy CPU, " + unit, tickText: tickText}
	if high/low > 20 {
		y.log, y.ticks, y.label = true, logTicks(low, high), y.label+" (logarithmic)"
	} else {
		y.ticks = evenTicks(high)
	}
	y.low, y.high = y.ticks[0], y.ticks[len(y.ticks)-1]
	s := newSVG(660, 384, title+": less is better", r.short())
	s.lines(box{20, 66, 620, 306}, "", axis{label: label, low: ticks[0], high: ticks[len(ticks)-1], log: true, ticks: ticks,
		tickText: func(v float64) string { return thousands(int(v)) }}, y, all)
	return picture{file, alt, s.String()}, true
}

func tickText(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e6 {
		return thousands(int(v))
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}
