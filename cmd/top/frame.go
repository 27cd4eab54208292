package top

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// state is all that a frame is drawn from.
type state struct {
	model  model
	page   page
	sort   [pages]int // which of sorts
	chosen [pages]string
	first  [pages]int // the row at the top of the table
	conns  []row
	about  string // how many connections there are
	lost   string // why nothing comes; "" while it does
	ask    *question
	said   string // what became of the last order
}

func (s *state) sortName() string { return sorts[s.page][s.sort[s.page]] }

// rows are those of the view.
func (s *state) rows(now time.Time) []row {
	switch s.page {
	case connections:
		return s.conns
	case transitions:
		return transitionRows(&s.model)
	}
	return poolRows(&s.model, s.sortName(), now)
}

// A terminal that is smaller shows that it is.
const leastWidth, leastHeight = 40, 8

// frame is the lines of a terminal of a size.
func (s *state) frame(width, height int, now time.Time) []line {
	if width < leastWidth || height < leastHeight {
		text := fmt.Sprintf("%dx%d is too small, %dx%d is needed; q quits", width, height, leastWidth, leastHeight)
		return append([]line{cut(line{{text, plain}}, width)}, make([]line, max(height-1, 0))...)
	}
	lines := append(s.head(width, now), nil)
	columns, rows := columnsOf[s.page], s.rows(now)
	widths := widthsOf(columns, width)
	lines = append(lines, line{{heading(columns, widths, width), bar}})
	room := height - len(lines) - 1
	at := s.choose(rows)
	s.scroll(at, room, len(rows))
	for i := s.first[s.page]; i < min(len(rows), s.first[s.page]+room); i++ {
		lines = append(lines, rowLine(&rows[i], columns, widths, i == at))
	}
	for len(lines) < height-1 {
		lines = append(lines, nil)
	}
	return append(lines, s.foot(width))
}

// head says what the process is and does in all.
func (s *state) head(width int, now time.Time) []line {
	if !s.model.known {
		return []line{cut(line{{"sluice  ", strong}, {clean(cmp.Or(s.lost, "waiting for the first news")), dim}}, width)}
	}
	p := &s.model.whole.Status
	ready, look := "ready", good
	if !p.Ready {
		ready, look = p.NotReady, bad
	}
	if s.lost != "" {
		ready, look = s.lost, bad
	}
	if p.ReadOnly {
		ready += ", read-only"
	}
	about := fmt.Sprintf("   up %s   %d workers   pid %d", span(now.Sub(p.Started)), p.Workers, p.PID)
	if n := len(p.Handovers); n > 0 {
		about += "   handovers: " + fmt.Sprint(n)
	}
	r := s.model.rate(subject{})
	sums := fmt.Sprintf("%d of %d open   %s new/s   %s up   %s down", r.Connections, p.MaxConnections, perSecond(r.Opened), speed(r.Up), speed(r.Down))
	tabs := line{}
	for i, name := range pageNames {
		look := dim
		if page(i) == s.page {
			look = strong
		}
		tabs = append(tabs, piece{fmt.Sprintf("%d %s   ", i+1, name), look})
	}
	note := "sorted by " + s.sortName()
	if s.page == connections {
		note += ", " + s.about
	}
	return []line{
		cut(line{{"sluice " + clean(p.Version) + "   ", strong}, {clean(ready), look}, {about, dim}}, width),
		cut(line{{sums, plain}}, width),
		cut(append(tabs, piece{note, dim}), width),
	}
}

func (s *state) foot(width int) line {
	switch {
	case s.ask != nil:
		const answers = "  y: yes, else: no" // seen on the narrowest terminal
		return line{{fit(clean(s.ask.text), min(utf8.RuneCountInString(s.ask.text), width-len(answers)), left) + answers, bar}}
	case s.said != "":
		return line{{fit(clean(s.said), width, left), strong}}
	}
	keys := "q quit   tab view   s sort   ↑↓ choose"
	if !s.model.whole.Status.ReadOnly {
		keys += [pages]string{pools: "   d drain   m maint   r ready", connections: "   x kill"}[s.page]
	}
	return line{{fit(keys, width, left), dim}}
}

// choose finds the chosen row, or the first that can be chosen; -1: none can.
func (s *state) choose(rows []row) int {
	first := -1
	for i := range rows {
		if !rows[i].choosable() {
			continue
		}
		if rows[i].key() == s.chosen[s.page] {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	if first >= 0 {
		s.chosen[s.page] = rows[first].key()
	}
	return first
}

// move chooses another row, by so many further down.
func (s *state) move(by int, now time.Time) {
	rows := s.rows(now)
	at := s.choose(rows)
	if at < 0 {
		s.first[s.page] += by
		return
	}
	step := 1
	if by < 0 {
		step, by = -1, -by
	}
	for i := at + step; i >= 0 && i < len(rows) && by > 0; i += step {
		if rows[i].choosable() {
			s.chosen[s.page] = rows[i].key()
			by--
		}
	}
}

// scroll keeps the chosen row in sight.
func (s *state) scroll(at, room, all int) {
	first := &s.first[s.page]
	if at >= 0 {
		*first = min(max(*first, at-room+1), at)
		if at < room { // what stands above the first that can be chosen
			*first = 0
		}
	}
	*first = max(0, min(*first, all-room))
}

// The column without a width has at least and at most so much room; the last of
// a table may have more.
const least, enough = 16, 48

// widthsOf is how wide each column is; -1: there is no room for it.
func widthsOf(columns []column, width int) []int {
	widths := make([]int, len(columns))
	rest, open := width-(len(columns)-1), 0
	for i, c := range columns {
		widths[i] = c.width
		rest -= c.width
		if c.width == 0 {
			open = i
		}
	}
	for rank := mostRank; rank > 0; rank-- {
		for i, c := range columns {
			if c.rank == rank && rest < least {
				rest += c.width + 1
				widths[i] = -1
			}
		}
	}
	for i, c := range columns {
		if more := min(c.width, rest-enough); c.look == tail && widths[i] > 0 && more > 0 {
			widths[i] += more
			rest -= more
		}
	}
	widths[open] = max(rest, 1)
	if open < len(columns)-1 {
		widths[open] = min(widths[open], enough)
	}
	return widths
}

func heading(columns []column, widths []int, width int) string {
	names := make([]string, 0, len(columns))
	for i, c := range columns {
		if widths[i] >= 0 {
			names = append(names, fit(c.name, widths[i], c.look))
		}
	}
	return fit(strings.Join(names, " "), width, left)
}

func rowLine(r *row, columns []column, widths []int, isChosen bool) line {
	var l line
	for i, text := range r.cells {
		if widths[i] < 0 {
			continue
		}
		look := r.styles[i]
		switch {
		case isChosen:
			look = chosen
		case r.heading:
			look = strong
		}
		if len(l) > 0 {
			text = " " + fit(clean(text), widths[i], columns[i].look)
		} else {
			text = fit(clean(text), widths[i], columns[i].look)
		}
		l = append(l, piece{text, look})
	}
	return l
}

// cut leaves what fits.
func cut(l line, width int) line {
	for i, p := range l {
		n := utf8.RuneCountInString(p.text)
		if n >= width {
			return append(l[:i:i], piece{fit(p.text, width, left), p.style})
		}
		width -= n
	}
	return l
}
