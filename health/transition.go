package health

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/state"
)

// transition is one change of a backend's status.
type transition struct {
	*check
	from, to state.Status
	after    time.Duration // how long it had been from
	by       string        // probe | connect | reload
	reason   string
}

// Transition is one change of a backend's status, for others.
type Transition struct {
	Time          time.Time
	Pool, Backend string
	From, To      state.Status
	After         time.Duration // how long it had been From
	By            string        // probe, connect or reload: who found it
	Reason        string
}

// turn notes a transition that the tracker has made; write commits it.
func (c *Checker) turn(ch *check, from state.Status, now time.Time, by, reason string) {
	c.turned = append(c.turned, transition{ch, from, ch.tracker.status, now.Sub(ch.since), by, reason})
	ch.since = now
}

// write commits the transitions since the last write as one change, then tells
// them.
func (c *Checker) write() {
	if len(c.turned) == 0 {
		return
	}
	change := c.store.Change()
	for _, t := range c.turned {
		change.SetHealth(&state.Health{
			Pool: t.pool, Backend: t.backend, Subject: t.subject,
			Status: t.to, Since: t.since, Reason: t.reason,
		})
	}
	change.Commit()
	for _, t := range c.turned {
		c.tell(t)
	}
	clear(c.turned)
	c.turned = c.turned[:0]
}

// tell logs a transition.
func (c *Checker) tell(t transition) {
	level := zap.InfoLevel
	if t.to == state.Down {
		level = zap.WarnLevel
	}
	fields := []zap.Field{
		zap.String("pool", t.pool),
		zap.String("backend", t.backend),
		zap.Stringer("from", t.from),
		zap.Stringer("to", t.to),
		zap.String("reason", t.reason),
		zap.String("by", t.by),
		zap.Duration("after", t.after),
	}
	var o outspoken
	if t.by == "probe" && errors.As(t.result, &o) && o.output != "" {
		fields = append(fields, zap.String("output", o.output))
	}
	c.log.Log(level, fmt.Sprintf("%s/%s %v: %s", t.pool, t.backend, t.to, t.reason), fields...)
	if c.Told != nil {
		c.Told(Transition{t.since, t.pool, t.backend, t.from, t.to, t.after, t.by, t.reason})
	}
}

func probeReason(ch *check, from state.Status) string {
	switch {
	case ch.result != nil && ch.tracker.inARow() > 1:
		return fmt.Sprintf("%v (%d in a row)", ch.result, ch.tracker.inARow())
	case ch.result != nil:
		return ch.result.Error()
	case from == state.Unknown:
		return "the first probe was good"
	case ch.settings.Rise > 1:
		return fmt.Sprintf("%d good probes in a row", ch.settings.Rise)
	}
	return "a good probe"
}

// connectReason tells of a client's connect, which the data plane may know by
// its error number alone.
func connectReason(ch *check, err error) string {
	if errno, ok := err.(syscall.Errno); ok {
		err = fmt.Errorf("connect %v: %w", ch.subject.Address, errno)
	}
	if n := ch.tracker.inARow(); n > 1 {
		return fmt.Sprintf("%v (%d in a row, the last one a client's)", err, n)
	}
	return fmt.Sprintf("%v (a client's)", err)
}
