package control

import (
	"sluice/balancer"
	"sluice/proxy"
	"sluice/state"
)

// tiersOf fills made.Backends and decides which of them get connections. This
// is the only place where that is decided:
//
//   - what an operator drains or takes out gets none;
//   - the rest gets them by tier: primaries that are up, and backups that are
//     up when no primary is, or when all that are were tried for this client and
//     failed; never merely because the primaries are full;
//   - if none at all is up, those that nobody has probed yet take their place:
//     just after the start that is better than to turn clients away;
//   - one that is down never gets any.
func tiersOf(row *state.Pool, members []member, order []int, places []*proxy.Backend, made *proxy.Pool) [][]balancer.Backend {
	var up, unknown [2][]balancer.Backend // primaries, backups
	made.Backends = make([]*proxy.Backend, 0, len(order))
	for _, i := range order {
		m := members[i]
		b := balancer.Backend{
			Name:           m.backend.Name,
			Weight:         m.backend.Weight,
			MaxConnections: int64(m.backend.MaxConnections),
			Ref:            len(made.Backends),
			Load:           places[i].Load,
		}
		made.Backends = append(made.Backends, places[i])
		if o := m.override; o != nil {
			if o.Mode != state.Ready {
				continue
			}
			if o.Weight > 0 {
				b.Weight = o.Weight
			}
		}
		tier := 0
		if m.backend.Backup {
			tier = 1
		}
		switch statusOf(row, m) {
		case state.Up:
			up[tier] = append(up[tier], b)
		case state.Unknown:
			unknown[tier] = append(unknown[tier], b)
		}
	}
	chosen := up
	if len(up[0])+len(up[1]) == 0 {
		chosen = unknown
	}
	var tiers [][]balancer.Backend
	for _, t := range chosen {
		if len(t) > 0 {
			tiers = append(tiers, t)
		}
	}
	return tiers
}

// statusOf believes a verdict only if it is about what the backend is now.
func statusOf(row *state.Pool, m member) state.Status {
	switch {
	case row.Health.Type == "none":
		return state.Up
	case m.health == nil || m.health.Subject != state.SubjectOf(row, m.backend):
		return state.Unknown
	}
	return m.health.Status
}
