package health

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/state"
)

// Passive judges backends by how clients' connections to them end, and takes
// one out of its pool for a while when too many fail.
//
//	data plane: ConnectFailed, Broke, Answered --> outlier, one a backend
//	                                                  | too many
//	                                                  v
//	              state: ejections <--commit-- Run: is there room? for how long?
//
// What the data plane says is counted under a lock at once; Run decides, and
// nobody else writes.
type Passive struct {
	// Told hears of every ejection and of its end, on the goroutine of Run. nil:
	// nobody does. It is set before Run.
	Told func(Ejected)

	store *state.Store
	log   *zap.Logger
	zero  time.Time

	mu      sync.Mutex
	circles map[string]*circle // by pool
	accused []*suspect
	out     []*suspect // ejected
	ready   chan struct{}
}

// circle is the backends of a pool that asks for this.
type circle struct {
	pool     string
	settings config.Outlier
	backends map[string]*suspect
	out      int // ejected
}

// suspect is one backend.
type suspect struct {
	outlier
	*circle
	name    string
	address config.Address
	accused bool          // waits for Run
	refused bool          // there was no room, and that has been said
	until   time.Duration // it is out
	why     string        // it is accused

	connect bool // the last failure was a connect
	err     error
}

// how is the last failure in words.
func (s *suspect) how() string {
	switch {
	case s.connect:
		return fmt.Sprintf("connect %v: %v", s.address, s.err)
	case s.err != nil:
		return fmt.Sprintf("broken before its first byte: %v", s.err)
	}
	return "closed before its first byte"
}

// NewPassive makes a Passive that follows nobody before Run.
func NewPassive(store *state.Store, log *zap.Logger) *Passive {
	return &Passive{store: store, log: log, zero: time.Now(), circles: map[string]*circle{}, ready: make(chan struct{}, 1)}
}

// ConnectFailed hears of a client's connection that could not be made, the
// inARow-th such. This and the next two may be called by anyone at any time and
// wait for no disk and no network.
func (p *Passive) ConnectFailed(pool, backend string, inARow uint32, err error) {
	p.hear(pool, backend, func(s *suspect) {
		s.connectFailed(inARow, time.Since(p.zero)-hearsay, &s.settings)
		s.connect, s.err = true, err
	})
}

// hearsay is how long a failed connect may have been ago when it is told.
const hearsay = 10 * time.Millisecond

// Broke hears of a connection that the backend reset before it had sent a byte,
// or closed: then err is nil.
func (p *Passive) Broke(pool, backend string, at time.Time, err error) {
	p.hear(pool, backend, func(s *suspect) {
		s.broke(at.Sub(p.zero), &s.settings)
		s.connect, s.err = false, err
	})
}

// Answered hears of a connection that has ended, and on which the backend's
// first byte came at the time given.
func (p *Passive) Answered(pool, backend string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.find(pool, backend); s != nil {
		s.answered(at.Sub(p.zero), &s.settings)
		s.refused = s.refused && s.inARow() > 0
	}
}

func (p *Passive) find(pool, backend string) *suspect {
	c := p.circles[pool]
	if c == nil {
		return nil
	}
	return c.backends[backend]
}

// hear counts a failure, and rings when there are too many. One that is known to
// be down is out already, and what fails meanwhile counts no more when it is up.
func (p *Passive) hear(pool, backend string, count func(*suspect)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.find(pool, backend)
	if s == nil || s.ejected {
		return
	}
	if isDown(p.store.View(), s) {
		s.forgive()
		return
	}
	count(s)
	if s.accused || s.tooMany(time.Since(p.zero), &s.settings) == "" {
		return
	}
	s.accused = true
	p.accused = append(p.accused, s)
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// Run ejects backends and lets them in again until ctx is done.
func (p *Passive) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pools, backends := p.follow()
	for {
		if next := p.decide(); next > 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.ready:
		case <-pools:
			pools, backends = p.follow()
		case <-backends:
			pools, backends = p.follow()
		}
	}
}

// decide ejects those of the accused for whom there is room, lets in those
// whose time is over, and returns how long the next of them has still to wait;
// 0 if none is out.
func (p *Passive) decide() (next time.Duration) {
	view := p.store.View()
	p.mu.Lock()
	now := time.Since(p.zero)
	turned := p.letIn(now)
	for _, s := range p.accused {
		s.accused = false
		if p.find(s.pool, s.name) == s && p.judge(view, s, now) {
			turned = append(turned, s.ejection(p.zero, now))
		}
	}
	clear(p.accused)
	p.accused = p.accused[:0]
	for _, s := range p.out {
		if wait := max(s.until-now, 1); next == 0 || wait < next {
			next = wait
		}
	}
	p.mu.Unlock()
	p.write(turned)
	return next
}

// letIn lets in those whose time is over.
func (p *Passive) letIn(now time.Duration) (turned []*state.Ejection) {
	still := p.out[:0]
	for _, s := range p.out {
		if s.until > now {
			still = append(still, s)
			continue
		}
		s.letIn(now)
		s.circle.out--
		turned = append(turned, &state.Ejection{Pool: s.pool, Backend: s.name})
	}
	clear(p.out[len(still):])
	p.out = still
	return turned
}

// judge ejects an accused backend if there is room, and if it has not been found
// to be down since.
func (p *Passive) judge(view *state.View, s *suspect, now time.Duration) bool {
	s.why = s.tooMany(now, &s.settings)
	switch {
	case s.why == "":
		return false
	case isDown(view, s):
		s.forgive()
		return false
	}
	s.why += ", the last one: " + s.how()
	if s.circle.out >= s.room() {
		if !s.refused {
			s.refused = true
			p.log.Warn(s.pool+"/"+s.name+" not ejected, max_ejected allows no more: "+s.why,
				zap.String("pool", s.pool), zap.String("backend", s.name), zap.Int("ejected", s.circle.out))
		}
		return false
	}
	s.until, s.refused = now+s.eject(now, &s.settings), false
	s.circle.out++
	p.out = append(p.out, s)
	return true
}

func isDown(v *state.View, s *suspect) bool {
	h := v.Health(s.pool, s.name)
	return h != nil && h.Subject.Address == s.address && h.Status == state.Down
}

// ejection is the row of what that has just been decided on.
func (s *suspect) ejection(zero time.Time, now time.Duration) *state.Ejection {
	return &state.Ejection{
		Pool: s.pool, Backend: s.name, Address: s.address, Since: zero.Add(now), Until: zero.Add(s.until), Reason: s.why,
	}
}

// write commits the rows, and tells them; one without an end is deleted.
func (p *Passive) write(rows []*state.Ejection) {
	if len(rows) == 0 {
		return
	}
	change := p.store.Change()
	for _, e := range rows {
		if e.Until.IsZero() {
			if was := change.View().Ejection(e.Pool, e.Backend); was != nil {
				e.Since = was.Since
			}
			change.DeleteEjection(e.Pool, e.Backend)
		} else {
			change.SetEjection(e)
		}
	}
	change.Commit()
	for _, e := range rows {
		p.tell(e)
	}
}

// Ejected is a backend that was taken out of its pool, or let in again.
type Ejected struct {
	Pool, Backend string
	Out           bool
	Since         time.Time // it is out
	Reason        string    // that it is out
}

func (p *Passive) tell(e *state.Ejection) {
	if p.Told != nil {
		p.Told(Ejected{e.Pool, e.Backend, !e.Until.IsZero(), e.Since, e.Reason})
	}
	name := e.Pool + "/" + e.Backend
	fields := []zap.Field{zap.String("pool", e.Pool), zap.String("backend", e.Backend)}
	if e.Until.IsZero() {
		p.log.Info(name+" let in again: its time is over", fields...)
		return
	}
	length := e.Until.Sub(e.Since)
	p.log.Warn(fmt.Sprintf("%s ejected for %v: %s", name, length, e.Reason),
		append(fields, zap.Duration("for", length), zap.String("reason", e.Reason))...)
}

// room is how many backends of the circle may be out at one time.
func (c *circle) room() int {
	const rounding = 1e-9 // 0.29 * 100 is a little less than 29
	return int(c.settings.MaxEjected*float64(len(c.backends)) + rounding)
}
