package control

import (
	"slices"
	"strings"

	"go.uber.org/zap"

	"sluice/proxy"
	"sluice/state"
)

// resets is the word of on_down and on_removed.
const resets = "reset"

// cut resets the connections of backends that have gone down or are gone, where
// their pool asks for that. It comes after next is in force, so that no new
// connection takes the place of one that is reset.
func (c *Control) cut(before, next *Compiled) {
	if before == nil {
		return
	}
	for name, old := range before.pools {
		now := next.pools[name]
		if now == old {
			continue
		}
		for i, place := range old.places {
			if now == nil {
				c.reset(old.row, place, old.row.OnRemoved, proxy.BackendRemoved)
				continue
			}
			switch at := now.find(place); {
			case at < 0:
				c.reset(now.row, place, now.row.OnRemoved, proxy.BackendRemoved)
			case now.down(at) && !old.down(i):
				c.reset(now.row, place, now.row.OnDown, proxy.BackendDown)
			}
		}
	}
}

func (c *Control) reset(p *state.Pool, place *proxy.Backend, how string, why proxy.Cause) {
	if how != resets || place.Load.Active() == 0 {
		return
	}
	if n := c.plane.Reset(place, why); n > 0 {
		c.log.Info("connections reset: "+p.Name+"/"+place.Name,
			zap.String("pool", p.Name), zap.String("backend", place.Name), zap.Stringer("cause", why), zap.Int("connections", n))
	}
}

// find is where a place stands in the pool, -1 if it does not.
func (p *pool) find(place *proxy.Backend) int {
	i, ok := slices.BinarySearchFunc(p.places, place.Name, func(b *proxy.Backend, name string) int { return strings.Compare(b.Name, name) })
	if !ok || p.places[i] != place {
		return -1
	}
	return i
}

// down reports whether the pool's i-th backend is known to be down, and that
// counts.
func (p *pool) down(i int) bool {
	return p.panic == "" && standingOf(p.row, p.members[i]).Status == state.Down
}
