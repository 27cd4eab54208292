package health

import (
	"time"

	"sluice/config"
	"sluice/state"
)

// tracker is what the probes of one backend have come to. It is pure: it has
// no clock, and the error values stay with its caller.
//
//	                   one good probe
//	+-----------+ -----------------------> +------+
//	|  unknown  |                          |  up  | <--+
//	+-----------+                          +------+    |
//	      |                                    |       |
//	      | one bad                fall bad    |       | rise good
//	      | probe or connect       probes and  |       | probes in
//	      |                        connects    |       | a row
//	      |                        in a row    v       |
//	      |                                +--------+  |
//	      +------------------------------> |  down  | -+
//	                                       +--------+
//
// A bad connect is one of a client's connection. Only probes end a row of bad
// ones on this side; what a client's good connect ends is its own count, which
// the data plane keeps and reports.
type tracker struct {
	status state.Status
	good   int // probes in a row, while down
	bad    int // probes in a row, while up

	// connects is the data plane's count of bad connects in a row as last
	// reported; the first forgiven of them came before a good probe and do not
	// count any more.
	connects, forgiven uint32
}

// probed takes the outcome of a probe and reports whether status has changed.
func (t *tracker) probed(good bool, h *config.Health) bool {
	if !good {
		t.good = 0
		return t.failed(1, h)
	}
	t.bad, t.forgiven = 0, t.connects
	switch t.status {
	case state.Unknown:
		return t.become(state.Up)
	case state.Down:
		if t.good++; t.good >= h.Rise {
			return t.become(state.Up)
		}
	}
	return false
}

// connectFailed takes the data plane's count of bad connects in a row, and
// reports whether status has changed. Reports may be lost or come twice, and
// those of different workers may pass each other: a count that is lower than
// the last means a good connect in between only if it is 1.
func (t *tracker) connectFailed(inARow uint32, h *config.Health) bool {
	switch {
	case inARow > t.connects:
		t.connects = inARow
	case inARow == 1:
		t.connects, t.forgiven = 1, 0
	}
	return t.failed(0, h)
}

func (t *tracker) failed(probes int, h *config.Health) bool {
	if t.status == state.Down {
		return false
	}
	t.bad += probes
	if t.status == state.Unknown || t.inARow() >= h.Fall {
		return t.become(state.Down)
	}
	return false
}

// inARow is how many probes and connects were bad since the last good one.
func (t *tracker) inARow() int { return t.bad + int(t.connects-t.forgiven) }

// become leaves the counts of bad ones, so that a reason can be told by them;
// the first good probe clears them.
func (t *tracker) become(s state.Status) bool {
	t.status, t.good = s, 0
	return true
}

// interval is how long to wait between the last probe and the next: fast while
// the status is about to change, for better or for worse.
func (t *tracker) interval(h *config.Health) time.Duration {
	switch {
	case t.status == state.Up && t.inARow() == 0:
		return h.Interval
	case t.status == state.Down && t.good == 0:
		return h.DownInterval
	}
	return h.FastInterval
}
