package control

import (
	"fmt"

	"sluice/state"
)

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
