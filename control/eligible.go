package control

import (
	"fmt"

	"sluice/balancer"
	"sluice/proxy"
	"sluice/state"
)

// Place is what a backend gets.
type Place uint8

// The places. Only who serves gets connections now, and who stands by gets them
// when no primary is up, or when all that are were tried for a client in vain.
const (
	Out Place = iota
	StandsBy
	Serves
)

// String is the place as one word.
func (p Place) String() string { return [...]string{"out", "standby", "serving"}[p] }

// Standing is where a backend stands in its pool, and why.
type Standing struct {
	Backend  *state.Backend
	Health   *state.Health   // nil: nothing is known of it as it is now
	Ejection *state.Ejection // nil: none
	Advice   *state.Advice   // nil: none
	Override *state.Override // nil: none
	Status   state.Status
	Weight   int // in force
	Place    Place
	Why      string // for people
	Panic    string // why health is ignored; "" if it is not

	MaxConnections int // in force; 0: no limit

	share int // of Weight, in percent
	tier  int // 0: primary, 1: backup
	class class
}

// Standings are all backends of a pool, in the order of the file. This, and
// what it calls, is the only place where it is decided who gets connections.
func Standings(v *state.View, pool string) []Standing {
	row := v.Pool(pool)
	if row == nil {
		return nil
	}
	members := membersOf(v, pool)
	all := standingsOf(row, members, inOrder(members))
	for i := range all {
		s := &all[i]
		s.Weight = s.shared(1)
	}
	return all
}

// standingsOf decides:
//
//   - what an operator drains or takes out gets none, nor what its own agent does;
//   - the rest gets them by tier: primaries that are up, and backups that are
//     up when no primary is, or when all that are were tried for this client and
//     failed; never merely because the primaries are full;
//   - if none at all is up, those that nobody has probed yet take their place:
//     just after the start that is better than to turn clients away;
//   - if there are none of those either, it is the turn of the ejected;
//   - one that is down never gets any;
//   - but where fewer than panic_threshold percent are well, all get them: those
//     that are left would drown, and what finds so many ill may itself be.
func standingsOf(row *state.Pool, members []member, order []int) []Standing {
	all := make([]Standing, len(order))
	var count [classes][2]int // primaries, backups
	had := 0                  // that an operator lets have any
	for at, i := range order {
		s := standingOf(row, members[i])
		all[at] = s
		count[s.class][s.tier]++
		if s.class != ordered {
			had++
		}
	}
	both := func(c class) int { return count[c][0] + count[c][1] }
	if n := both(well) + both(unproven); 100*n < row.PanicThreshold*had {
		panicked(row, all, fmt.Sprintf("panic: %d of %d are well", n, had), count[well][0])
		return all
	}
	chosen := well
	for chosen < ejected && both(chosen) == 0 {
		chosen++
	}
	for i := range all {
		all[i].decide(row, chosen, count[chosen][0])
	}
	return all
}

// class is how a backend stands by itself. The first three are in the order in
// which they are chosen.
type class uint8

const (
	well     class = iota // up
	unproven              // not probed yet
	ejected               // not known to be down, but clients' connections failed
	down
	ordered // an operator has ordered that it gets nothing, or its agent asks for that
	classes
)

// standingOf is what is known of a backend by itself.
func standingOf(row *state.Pool, m member) Standing {
	s := Standing{
		Backend: m.backend, Override: m.override,
		Weight: m.backend.Weight, share: whole, MaxConnections: m.backend.MaxConnections,
	}
	if reweighed(m.override) {
		s.Weight = m.override.Weight
	}
	if m.backend.Backup {
		s.tier = 1
	}
	switch {
	case row.Health.Type == "none":
		s.Status = state.Up
	case m.health == nil || m.health.Subject != state.SubjectOf(row, m.backend):
		// A verdict is believed only if it is about what the backend is now.
	default:
		s.Health, s.Status = m.health, m.health.Status
	}
	if m.ejection != nil && m.ejection.Address == m.backend.Address {
		s.Ejection = m.ejection
	}
	s.advise(row, m)
	s.class = s.classify()
	return s
}

func (s *Standing) classify() class {
	switch {
	case s.ordered(), s.withdrawn():
		return ordered
	case s.Status == state.Down:
		return down
	case s.Ejection != nil:
		return ejected
	case s.Status == state.Unknown:
		return unproven
	}
	return well
}

// ordered reports whether an operator wants it to get nothing.
func (s *Standing) ordered() bool { return s.Override != nil && s.Override.Mode != state.Ready }

// decide gives a backend its place. chosen is what one must be to get anything,
// primaries how many of the first tier are.
func (s *Standing) decide(row *state.Pool, chosen class, primaries int) {
	s.Why = s.self(row)
	switch {
	case s.class == ordered || s.class == down:
	case s.class == unproven && chosen == well:
		s.Why += ", and others are up"
	case s.class != chosen:
	case s.tier == 1 && primaries > 0:
		s.Place, s.Why = StandsBy, "a backup, and a primary can be had"
	default:
		s.Place = Serves
		if chosen != well {
			s.Why += ", and none is up"
		}
		if s.tier == 1 {
			s.Why += ", a backup, and no primary can be had"
		}
	}
}

// self is how a backend stands by itself, in words.
func (s *Standing) self(row *state.Pool) string {
	switch {
	case s.ordered():
		return "ordered: " + s.Override.Mode.String()
	case s.withdrawn():
		return s.said()
	case s.class == ejected:
		return "ejected: " + s.Ejection.Reason
	case s.class == down && s.Advice != nil && s.Advice.Down:
		return "down: " + s.said()
	case s.class == down:
		return "down: " + s.Health.Reason
	case s.class == unproven:
		return "not probed yet"
	case row.Health.Type == "none":
		return "not checked"
	}
	return s.Status.String()
}

// tiersOf fills made.Backends, and gives the balancer those that get
// connections.
func tiersOf(standings []Standing, order []int, places []*proxy.Backend, made *proxy.Pool) [][]balancer.Backend {
	var chosen [2][]balancer.Backend
	made.Backends = make([]*proxy.Backend, 0, len(order))
	for at, s := range standings {
		place := places[order[at]]
		made.Backends = append(made.Backends, place)
		if s.Place == Out {
			continue
		}
		chosen[s.tier] = append(chosen[s.tier], balancer.Backend{
			Name:           s.Backend.Name,
			Weight:         s.Weight,
			MaxConnections: int64(s.MaxConnections),
			Ref:            at,
			Load:           place.Load,
		})
	}
	var tiers [][]balancer.Backend
	for _, t := range chosen {
		if len(t) > 0 {
			tiers = append(tiers, t)
		}
	}
	return tiers
}
