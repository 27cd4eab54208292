package control

import (
	"cmp"
	"slices"

	"sluice/balancer"
	"sluice/proxy"
	"sluice/state"
)

// member is a backend of a pool with all that is known of it. It is compared
// by its pointers.
type member struct {
	backend  *state.Backend
	health   *state.Health   // nil: never probed
	override *state.Override // nil: none
}

// membersOf joins the rows of a pool's backends. All three tables give their
// rows by name, so one walk through each is enough.
func membersOf(v *state.View, pool string) []member {
	var members []member
	healths := slices.Collect(v.Healths(pool))
	overrides := slices.Collect(v.Overrides(pool))
	for b := range v.Backends(pool) {
		m := member{backend: b}
		for len(healths) > 0 && healths[0].Backend <= b.Name {
			if healths[0].Backend == b.Name {
				m.health = healths[0]
			}
			healths = healths[1:]
		}
		for len(overrides) > 0 && overrides[0].Backend <= b.Name {
			if overrides[0].Backend == b.Name {
				m.override = overrides[0]
			}
			overrides = overrides[1:]
		}
		members = append(members, m)
	}
	return members
}

// inOrder is the indices of members in the order of the file, config first.
func inOrder(members []member) []int {
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := members[i].backend, members[j].backend
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
	return order
}

// placesOf makes the backends that the workers see. One that old has under the
// same name and address is taken over whole, and its load with it.
func placesOf(members []member, old *pool) []*proxy.Backend {
	var was []*proxy.Backend
	if old != nil {
		was = old.places
	}
	places := make([]*proxy.Backend, len(members))
	for i, m := range members {
		for len(was) > 0 && was[0].Name < m.backend.Name {
			was = was[1:]
		}
		address := proxy.Address(m.backend.Address)
		if len(was) > 0 && was[0].Name == m.backend.Name && was[0].Address == address {
			places[i] = was[0]
			continue
		}
		places[i] = &proxy.Backend{Name: m.backend.Name, Address: address, Load: &balancer.Load{}}
	}
	return places
}
