package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// svg is a picture in the making: text and lines in classes that follow the
// reader's choice of light or dark.
type svg struct {
	w, h float64
	b    strings.Builder
}

const svgStyle = `<style>
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;font-size:12px;fill:#1f2328}
.bg{fill:#ffffff}.soft{fill:#59636e}.title{font-size:16px;font-weight:600}.head{font-size:13px;font-weight:600}
.grid{stroke:#d8dee4;stroke-width:1}.axis{stroke:#8c959f;stroke-width:1}.whisker{stroke:#1f2328;stroke-width:1.2;opacity:.65}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.bg{fill:#0d1117}.soft{fill:#9198a1}.grid{stroke:#2b323b}.axis{stroke:#6e7681}.whisker{stroke:#e6edf3}}
</style>`

func newSVG(w, h float64, title, sub string) *svg {
	s := &svg{w: w, h: h}
	s.put(`<rect class="bg" width="%s" height="%s" rx="8"/>`, num(w), num(h))
	s.text(20, 30, "start", "title", title)
	s.text(20, 50, "start", "soft", sub)
	return s
}

func (s *svg) put(format string, args ...any) { fmt.Fprintf(&s.b, format+"\n", args...) }

// text writes a line; anchor is start, middle or end.
func (s *svg) text(x, y float64, anchor, class, text string) {
	s.put(`<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`, num(x), num(y), anchor, class, html.EscapeString(text))
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	s.put(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`, num(x1), num(y1), num(x2), num(y2), class)
}

func (s *svg) rect(x, y, w, h float64, colour string) {
	s.put(`<rect x="%s" y="%s" width="%s" height="%s" rx="2" fill="%s"/>`, num(x), num(y), num(w), num(h), colour)
}

func (s *svg) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img">`,
		num(s.w), num(s.h), num(s.w), num(s.h)) + "\n" + svgStyle + "\n" + s.b.String() + "</svg>\n"
}

func num(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", x), "0"), ".")
}

// box is a place on the picture.
type box struct{ x, y, w, h float64 }

// bar is one of a panel.
type bar struct {
	label, text      string
	value, low, high float64
	colour           string
}

const barHeight = 24

// bars draws a panel of horizontal bars, with the range of the rounds over
// each.
func (s *svg) bars(in box, head, unit string, all []bar) {
	s.text(in.x, in.y, "start", "head", head)
	s.text(in.x, in.y+16, "start", "soft", unit)
	const labels, values = 150, 62
	left, room := in.x+labels, in.w-labels-values
	most := 0.0
	for _, b := range all {
		most = max(most, b.value, b.high)
	}
	if most == 0 {
		most = 1
	}
	y := in.y + 28
	for _, b := range all {
		s.text(left-8, y+15, "end", "", b.label)
		s.rect(left, y+4, max(room*b.value/most, 1), barHeight-8, b.colour)
		end := left + room*b.value/most
		if b.high > b.low {
			mid := y + barHeight/2
			x1, x2 := left+room*b.low/most, left+room*b.high/most
			s.line(x1, mid, x2, mid, "whisker")
			s.line(x1, mid-3, x1, mid+3, "whisker")
			s.line(x2, mid-3, x2, mid+3, "whisker")
			end = max(end, x2)
		}
		s.text(end+6, y+16, "start", "", b.text)
		y += barHeight
	}
	s.line(left, in.y+28, left, y, "axis")
}

// axis maps values to places.
type axis struct {
	label    string
	low      float64
	high     float64
	log      bool
	ticks    []float64
	tickText func(float64) string
}

func (a axis) at(v float64) float64 {
	if a.log {
		return (math.Log(v) - math.Log(a.low)) / (math.Log(a.high) - math.Log(a.low))
	}
	return (v - a.low) / (a.high - a.low)
}

// series is one line of a panel.
type series struct {
	label, colour string
	x, y          []float64
}

// lines draws a panel with a line for each series and its name at the end,
// names kept apart.
func (s *svg) lines(in box, head string, x, y axis, all []series) {
	if head != "" {
		s.text(in.x, in.y, "start", "head", head)
	}
	const left, right, top, bottom = 52, 128, 34, 42
	plot := box{in.x + left, in.y + top, in.w - left - right, in.h - top - bottom}
	s.text(in.x, in.y+18, "start", "soft", y.label)
	for _, t := range y.ticks {
		at := plot.y + plot.h*(1-y.at(t))
		s.line(plot.x, at, plot.x+plot.w, at, "grid")
		s.text(plot.x-8, at+4, "end", "soft", y.tickText(t))
	}
	for _, t := range x.ticks {
		at := plot.x + plot.w*x.at(t)
		s.line(at, plot.y+plot.h, at, plot.y+plot.h+4, "axis")
		s.text(at, plot.y+plot.h+18, "middle", "soft", x.tickText(t))
	}
	s.line(plot.x, plot.y+plot.h, plot.x+plot.w, plot.y+plot.h, "axis")
	s.text(plot.x+plot.w/2, plot.y+plot.h+36, "middle", "soft", x.label)

	ends := make([]float64, len(all))
	for i := len(all) - 1; i >= 0; i-- { // the first lies on top
		line := all[i]
		var points []string
		for k := range line.x {
			px, py := plot.x+plot.w*x.at(line.x[k]), plot.y+plot.h*(1-y.at(line.y[k]))
			points = append(points, num(px)+","+num(py))
			s.put(`<circle cx="%s" cy="%s" r="3" fill="%s"/>`, num(px), num(py), line.colour)
			ends[i] = py
		}
		s.put(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), line.colour)
	}
	for i, at := range apart(ends, 15, plot.y, plot.y+plot.h) {
		s.rect(plot.x+plot.w+12, at-5, 9, 9, all[i].colour)
		s.text(plot.x+plot.w+26, at+4, "start", "", all[i].label)
	}
}

// apart moves places so that each has its distance from the next, and as many
// as can be are between low and high.
func apart(places []float64, distance, low, high float64) []float64 {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	for i := 1; i < len(order); i++ { // few enough
		for k := i; k > 0 && places[order[k]] < places[order[k-1]]; k-- {
			order[k], order[k-1] = order[k-1], order[k]
		}
	}
	out := append([]float64(nil), places...)
	last := low - distance
	for _, i := range order {
		out[i] = max(out[i], last+distance)
		last = out[i]
	}
	last = high + distance
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		out[i] = min(out[i], last-distance)
		last = out[i]
	}
	return out
}

// logTicks are the powers of ten, and 2 and 5 times them if they are few, from
// the last at or below low to the first at or above high.
func logTicks(low, high float64) []float64 {
	steps := []float64{1}
	if high/low < 200 {
		steps = []float64{1, 2, 5}
	}
	var all []float64
	for p := math.Floor(math.Log10(low)) - 1; p <= math.Ceil(math.Log10(high))+1; p++ {
		for _, m := range steps {
			all = append(all, m*math.Pow(10, p))
		}
	}
	first, last := 0, len(all)-1
	for i, t := range all {
		if t <= low*1.0001 {
			first = i
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] >= high*0.9999 {
			last = i
		}
	}
	return all[first : last+1]
}

// evenTicks are some round numbers from 0 to the first at or above high.
func evenTicks(high float64) []float64 {
	if high <= 0 {
		return []float64{0, 1}
	}
	unit := math.Pow(10, math.Floor(math.Log10(high))-1)
	step := unit
	for _, m := range []float64{2, 2.5, 5, 10, 20, 25} {
		if high/step > 6 {
			step = unit * m
		}
	}
	var out []float64
	for i := 0; ; i++ {
		out = append(out, step*float64(i))
		if step*float64(i) >= high*0.9999 {
			return out
		}
	}
}
