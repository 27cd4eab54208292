package control

import (
	"fmt"

	"sluice/state"
)

// whole is the share of its weight that a backend has unless its agent says
// otherwise, in percent.
const whole = 100

// advise heeds what the backend's agent has said. What an operator has ordered
// outranks it.
func (s *Standing) advise(row *state.Pool, m member) {
	a := m.advice
	if a == nil || a.Address != m.backend.Address || a.Agent != row.Health.AgentOf(m.backend.Address) {
		return
	}
	s.Advice = a
	if a.Down {
		s.Status = state.Down
	}
	if a.MaxConnections >= 0 {
		s.MaxConnections = a.MaxConnections
	}
	switch {
	case reweighed(m.override), a.Weight <= 0:
	case a.Percent:
		s.share = a.Weight
	default:
		s.Weight = a.Weight
	}
}

// reweighed reports whether an operator has ordered a weight.
func reweighed(o *state.Override) bool { return o != nil && o.Weight > 0 }

// withdrawn reports whether the agent wants no more connections.
func (s *Standing) withdrawn() bool {
	return s.Advice != nil && (s.Advice.Mode != state.Ready || s.Advice.Weight == 0 && !reweighed(s.Override))
}

// said is what the agent has said, in words.
func (s *Standing) said() string { return fmt.Sprintf("its agent says %q", s.Advice.Said) }

// shares gives all of a pool a weight of which a percent can be had, as far as
// weights go, and each its share of that.
func shares(standings []Standing) {
	most, same := 1, true
	for i := range standings {
		most = max(most, standings[i].Weight)
		same = same && standings[i].share == whole
	}
	if same {
		return
	}
	by := max(1, min(whole, maxWeight/most))
	for i := range standings {
		s := &standings[i]
		s.Weight = max(1, min(maxWeight, s.Weight*by*s.share/whole))
		s.share = whole
	}
}
