package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress says on standard error how far the run is: a bar on a terminal,
// else a line when the work changes.
type Progress struct {
	to        io.Writer
	terminal  bool
	done, all int
	begun     time.Time
	last      string
	now       func() time.Time
}

func newProgress(to io.Writer, terminal bool, all int) *Progress {
	return &Progress{to: to, terminal: terminal, all: all, begun: time.Now(), now: time.Now}
}

// more says that there are n steps more than was thought.
func (p *Progress) more(n int) { p.all += n }

// step says that one step of a work is done.
func (p *Progress) step(work, peer string) {
	p.done++
	p.all = max(p.all, p.done)
	if p.terminal {
		fmt.Fprintf(p.to, "\r\x1b[K%s", p.line(work, peer, 30))
		return
	}
	if work != p.last {
		p.last = work
		fmt.Fprintf(p.to, "%3d%%  %s\n", 100*p.done/p.all, work)
	}
}

// clear removes the bar, so that something else may be written.
func (p *Progress) clear() {
	if p.terminal {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

func (p *Progress) line(work, peer string, width int) string {
	full := width * p.done / p.all
	left := p.now().Sub(p.begun) / time.Duration(p.done) * time.Duration(p.all-p.done)
	return fmt.Sprintf("[%s%s] %3d%%, %s left  %s: %s", strings.Repeat("=", full), strings.Repeat(" ", width-full),
		100*p.done/p.all, left.Round(time.Second), work, peer)
}
