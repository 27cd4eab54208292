package top

import (
	"fmt"
	"io"
	"strings"
)

// The sequences are those of ECMA-48 and of xterm, which every terminal of
// today obeys or passes over.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen, no cursor, no wrapping
	leaveScreen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
	beginFrame  = "\x1b[?2026h" // shown at once when it ends
	endFrame    = "\x1b[?2026l"
)

// style is how text looks.
type style uint8

const (
	plain style = iota
	strong
	dim
	good
	bad
	waiting
	chosen
	bar
)

var sequences = [...]string{
	plain: "", strong: "\x1b[1m", dim: "\x1b[2m", good: "\x1b[32m", bad: "\x1b[1;31m", waiting: "\x1b[33m", chosen: "\x1b[7m", bar: "\x1b[1;7m",
}

// span of text in one style.
type piece struct {
	text  string
	style style
}

// line is one of the screen.
type line []piece

// write adds the line. Without colour what is bad or waits is strong.
func (l line) write(to *strings.Builder, colour bool) {
	for _, p := range l {
		sequence := sequences[p.style]
		switch {
		case colour:
		case p.style == good:
			sequence = ""
		case p.style == bad || p.style == waiting:
			sequence = sequences[strong]
		}
		if sequence == "" {
			to.WriteString(p.text)
			continue
		}
		to.WriteString(sequence + p.text + "\x1b[0m")
	}
}

// screen shows lines, and remembers them: only those that have changed are
// written again, all in one write, so that nothing flickers.
type screen struct {
	to     io.Writer
	colour bool
	shown  []string
}

// show puts lines on the terminal, as many as it has rows.
func (s *screen) show(lines []line) error {
	var out strings.Builder
	if s.shown == nil {
		out.WriteString("\x1b[2J")
		s.shown = make([]string, len(lines))
	}
	for i, l := range lines {
		var text strings.Builder
		l.write(&text, s.colour)
		if s.shown[i] != text.String() {
			s.shown[i] = text.String()
			// Erased before: behind a full line the cursor stands on its last column.
			fmt.Fprintf(&out, "\x1b[%d;1H\x1b[K%s", i+1, s.shown[i])
		}
	}
	if out.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.to, beginFrame+out.String()+endFrame)
	return err
}

// forget makes the next show write everything: the terminal has another size, or
// somebody else wrote on it.
func (s *screen) forget() { s.shown = nil }
