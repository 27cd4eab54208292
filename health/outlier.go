package health

import (
	"fmt"
	"time"

	"sluice/config"
)

// outlier is what clients' connections to one backend have come to. It is pure:
// it has no clock, all times are since some beginning, and whether there is
// room for one more ejected backend is its caller's to say.
//
//	+------+   too many failures   +---------+   eject_for times the
//	|  in  | --------------------> | ejected | -----------------------+
//	+------+                       +---------+   ejections in a row   |
//	   ^                                ^        are over             |
//	   |                                | one failure                 v
//	   |        one good connection     |                        +----------+
//	   +--------------------------------+----------------------- | on trial |
//	                                                             +----------+
//
// A failure is a connect that failed, or a connection that broke before the
// first byte from the backend. What clients do wrong is none.
type outlier struct {
	connects int           // failed in a row
	broken   int           // in a row
	last     time.Duration // when it last failed
	recent   window

	ejected bool
	trial   bool
	row     int           // ejections in a row
	back    time.Duration // when the last one ended
}

// connectFailed takes a failed connect, the inARow-th such by the data plane's
// count: 1 means that the connect before it was good.
func (o *outlier) connectFailed(inARow uint32, at time.Duration, s *config.Outlier) {
	if inARow == 1 {
		o.connects = 0
	}
	if o.fails(at, s) {
		o.connects++
	}
}

// broke takes a connection that broke before the first byte.
func (o *outlier) broke(at time.Duration, s *config.Outlier) {
	if o.fails(at, s) {
		o.broken++
	}
}

// fails reports whether a failure counts. A row ends when nothing has failed
// for a whole window: a connection is known to be good only when it has ended,
// so long ones do not end it.
func (o *outlier) fails(at time.Duration, s *config.Outlier) bool {
	if o.ejected {
		return false
	}
	if at-o.last > s.Window {
		o.connects, o.broken = 0, 0
	}
	o.last = max(o.last, at)
	o.recent.add(at, true, s.Window)
	return true
}

// answered takes a connection whose first byte came at a time that may be long
// ago: it ends a row only if that was after the last failure.
func (o *outlier) answered(at time.Duration, s *config.Outlier) {
	if o.ejected {
		return
	}
	o.recent.add(at, false, s.Window)
	if at > o.last {
		o.connects, o.broken, o.trial = 0, 0, false
	}
}

// inARow is how many failures there were since the last good one.
func (o *outlier) inARow() int { return o.connects + o.broken }

// tooMany is why the backend should be ejected, "" if it should not.
func (o *outlier) tooMany(now time.Duration, s *config.Outlier) string {
	n := o.inARow()
	if s.ConsecutiveFailures > 0 && n > 0 && (o.trial || n >= s.ConsecutiveFailures) {
		switch {
		case n > 1:
			return fmt.Sprintf("%d failures in a row", n)
		case o.trial:
			return "a failure just after it was let in again"
		}
		return "a failure"
	}
	if s.FailureRate > 0 && n > 0 {
		if all, bad := o.recent.sum(now, s.Window); all >= s.Minimum && float64(bad) >= s.FailureRate*float64(all) {
			return fmt.Sprintf("%d of %d connections failed within %v", bad, all, s.Window)
		}
	}
	return ""
}

// eject takes the backend out and returns for how long. For each eject_for that
// it was in without failing, one of the ejections before is forgiven.
func (o *outlier) eject(now time.Duration, s *config.Outlier) time.Duration {
	o.row -= min(o.row, int((now-o.back)/s.EjectFor))
	// More of them would make it no longer, only harder to forgive.
	if most := int((s.MaxEjectFor + s.EjectFor - 1) / s.EjectFor); o.row < most {
		o.row++
	}
	*o = outlier{ejected: true, row: o.row}
	return min(time.Duration(o.row)*s.EjectFor, s.MaxEjectFor)
}

// letIn takes it in again, on trial.
func (o *outlier) letIn(now time.Duration) {
	o.ejected, o.trial = false, true
	o.back, o.last = now, now
}

// forgive forgets the failures, not the ejections.
func (o *outlier) forgive() {
	o.connects, o.broken, o.recent = 0, 0, window{}
}

// window counts connections over a time that slides on by tenths of itself.
type window struct{ panes [10]pane }

type pane struct {
	number   int64 // of the tenth that it counts, from 1; 0: none
	all, bad int
}

// add counts one; what is older than the window is left out.
func (w *window) add(at time.Duration, bad bool, length time.Duration) {
	n := number(at, length)
	if n < 1 {
		return
	}
	p := &w.panes[n%int64(len(w.panes))]
	if p.number > n {
		return
	}
	if p.number < n {
		*p = pane{number: n}
	}
	p.all++
	if bad {
		p.bad++
	}
}

// sum counts what the window holds now.
func (w *window) sum(now, length time.Duration) (all, bad int) {
	n := number(now, length)
	for _, p := range w.panes {
		if p.number > n-int64(len(w.panes)) && p.number > 0 {
			all, bad = all+p.all, bad+p.bad
		}
	}
	return all, bad
}

// number is that of the tenth in which a time lies.
func number(at, length time.Duration) int64 {
	if at < 0 {
		return 0
	}
	return int64(at/(length/10)) + 1
}
