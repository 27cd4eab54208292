package health

import (
	"iter"
	"time"

	"go.uber.org/zap"

	"sluice/state"
)

// The first probe of a backend is at once. When there are very many new ones,
// those after the first atOnce are apart by gap, so that a start with 10,000
// takes a second and not every core of the machine.
const (
	atOnce = 64
	gap    = 100 * time.Microsecond
)

// follow makes the checks those of the backends that are there now, and deletes
// the verdicts that are about none of them. A backend of another Subject is
// another one; other settings than that are taken over as they are. What it
// returns is closed when it has to be called again.
func (c *Checker) follow(now, zero time.Time) (pools, backends <-chan struct{}) {
	view := c.store.View()
	c.walk++
	added := 0
	var pool *state.Pool
	var ask probe // of the pool
	for b := range view.AllBackends() {
		if pool == nil || pool.Name != b.Pool {
			if pool = view.Pool(b.Pool); pool == nil {
				continue // discovery has not heard of a reload yet
			}
			ask = c.probeOf(pool)
		}
		if ask == nil {
			continue
		}
		k, subject := key{b.Pool, b.Name}, state.SubjectOf(pool, b)
		was := c.checks[k]
		if was != nil && was.subject == subject {
			was.walk = c.walk
			if h := &pool.Health; was.settings != h {
				c.retime(was, h, now, zero)
			}
			continue
		}
		ch := &check{key: k, subject: subject, settings: &pool.Health, since: now, walk: c.walk}
		if h := view.Health(b.Pool, b.Name); was == nil && h != nil && h.Subject == subject {
			ch.tracker.status, ch.since = h.Status, h.Since // a process before this one knew
		}
		c.checks[k] = ch
		if c.join(ch, questionOf(&pool.Health, pool.Health.Asked(b.Address)), ask, &pool.Health) {
			delay := time.Duration(max(0, added-atOnce)) * min(gap, pool.Health.Interval/time.Duration(added+1))
			c.queue.at(ch.inquiry, now.Add(delay))
			added++
		} else {
			c.hasten(ch.inquiry, now)
		}
		if was != nil {
			c.forget(was)
			if was.tracker.status != state.Unknown {
				c.tell(transition{
					check: ch, from: was.tracker.status, to: state.Unknown, after: now.Sub(was.since),
					by: "reload", reason: "its address or its health check has changed",
				})
			}
		}
	}
	for k, ch := range c.checks {
		if ch.walk != c.walk {
			delete(c.checks, k)
			c.forget(ch)
		}
	}
	c.clear(view)
	return view.Changed(state.Pools), view.Changed(state.Backends)
}

// probeOf makes the probe of a pool; nil for one that is not probed. It says so
// if there is no such health check: the config lets none through, so it is a
// fault of ours, but one that an operator should see.
func (c *Checker) probeOf(p *state.Pool) probe {
	t := p.Health.Type
	if of := c.probes[t]; of != nil {
		return of(p.Health)
	}
	if t != none {
		c.log.Error("health check of this type is not known, the pool is not probed",
			zap.String("pool", p.Name), zap.String("type", t))
	}
	return nil
}

func (c *Checker) forget(ch *check) {
	ch.gone = true
	c.leave(ch)
}

// clear deletes the rows that no tracker stands behind.
func (c *Checker) clear(view *state.View) {
	deleteStale(c.store, view.AllHealths(), func(h *state.Health) bool {
		ch := c.checks[key{h.Pool, h.Backend}]
		return ch == nil || ch.subject != h.Subject || ch.tracker.status != h.Status
	}, func(change *state.Change, h *state.Health) { change.DeleteHealth(h.Pool, h.Backend) })
}

// deleteStale deletes the rows that are, in one commit, and makes none if there are none.
func deleteStale[R any](store *state.Store, rows iter.Seq[R], stale func(R) bool, drop func(*state.Change, R)) {
	var gone []R
	for row := range rows {
		if stale(row) {
			gone = append(gone, row)
		}
	}
	if len(gone) == 0 {
		return
	}
	change := store.Change()
	for _, row := range gone {
		drop(change, row)
	}
	change.Commit()
}
