package control

import (
	"go.uber.org/zap"

	"sluice/state"
)

// panicked gives every backend that no order is about a place, whatever else is
// known of it. A backup serves beside the primaries if none of those is up.
func panicked(row *state.Pool, all []Standing, why string, up int) {
	for i := range all {
		s := &all[i]
		s.Panic = why
		switch {
		case s.class == ordered:
			s.Why = s.self(row)
		case s.tier == 1 && up > 0:
			s.Place, s.Why = StandsBy, "a backup, and a primary is up"
		default:
			s.Place, s.tier = Serves, 0
			s.Why = why + "; this one is " + s.self(row)
		}
	}
}

// panicOf is why the health of a pool is ignored, "" if it is not.
func panicOf(standings []Standing) string {
	if len(standings) == 0 {
		return ""
	}
	return standings[0].Panic
}

// tellPanic logs the pools that have begun to ignore health, and those that
// heed it again.
func (c *Control) tellPanic(before, next *Compiled) {
	for name, now := range next.pools {
		was := ""
		if before != nil && before.pools[name] != nil {
			was = before.pools[name].panic
		}
		switch {
		case was == "" && now.panic != "":
			c.log.Warn("pool "+name+": "+now.panic+", connections go to all of them",
				zap.String("pool", name), zap.Int("panic_threshold", now.row.PanicThreshold))
		case was != "" && now.panic == "":
			c.log.Info("pool "+name+": panic is over, connections go to those that are well", zap.String("pool", name))
		}
	}
}
