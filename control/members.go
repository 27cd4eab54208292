package control

import (
	"cmp"
	"iter"
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
	ejection *state.Ejection // nil: none
	advice   *state.Advice   // nil: none
	override *state.Override // nil: none
}

// membersOf joins the rows of a pool's backends. All tables give their rows by
// name, so one walk through each is enough.
func membersOf(v *state.View, pool string) []member {
	var members []member
	health := after(v.Healths(pool), func(h *state.Health) string { return h.Backend })
	ejection := after(v.Ejections(pool), func(e *state.Ejection) string { return e.Backend })
	advice := after(v.Advices(pool), func(a *state.Advice) string { return a.Backend })
	override := after(v.Overrides(pool), func(o *state.Override) string { return o.Backend })
	for b := range v.Backends(pool) {
		members = append(members, member{b, health(b.Name), ejection(b.Name), advice(b.Name), override(b.Name)})
	}
	return members
}

// after returns what finds the row of a backend, nil if there is none. It walks
// on, so it is asked for names in their order.
func after[T any](all iter.Seq[*T], backend func(*T) string) func(name string) *T {
	rows := slices.Collect(all)
	return func(name string) *T {
		for len(rows) > 0 && backend(rows[0]) < name {
			rows = rows[1:]
		}
		if len(rows) > 0 && backend(rows[0]) == name {
			return rows[0]
		}
		return nil
	}
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
