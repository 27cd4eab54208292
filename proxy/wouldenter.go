package proxy

import (
	"fmt"
	"net/netip"

	"sluice/proxy/guard"
)

// Guards is what the guards of a listener would say now of a client from an
// address, a sentence each, and whether it would come in. Nothing is counted.
func (s *Server) Guards(listener string, from netip.Addr) (steps []string, may bool) {
	for _, l := range s.live.Load().listeners {
		if l != nil && l.retired == 0 && l.Name == listener {
			return l.wouldEnter(from, s.clock())
		}
	}
	return nil, true
}

func (l *listenerSlot) wouldEnter(from netip.Addr, now int64) (steps []string, may bool) {
	say := func(format string, args ...any) { steps = append(steps, fmt.Sprintf(format, args...)) }
	may = true
	if l.ACL != nil {
		var why string
		may, why = l.ACL.Explain(from)
		say("address lists: %s", why)
	}
	if may && l.sources != nil {
		count, v := l.sources.Look(l.sources.Key(from), now, l.PerSource)
		if l.PerSource.Most > 0 {
			say("its source has %d of %d connections", count, l.PerSource.Most)
		}
		if v == guard.TooFast {
			say("its source's connection_rate_per_source is used up")
		}
		may = v == guard.Admitted
	}
	if may && l.Rate.Limited() && !l.rate.Open(l.Rate, now) {
		say("connection_rate is used up")
		may = false
	}
	return steps, may
}
