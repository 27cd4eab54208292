// Package control turns what is known into what the workers do: it compiles a
// view of the state into a proxy.Table and is the only publisher of tables.
//
//	        commit of any table          SIGHUP, API
//	               |                          |
//	               v                          v
//	state --> [ settle ] --> Compile <-- uncommitted change
//	                            |             |
//	                            |        Plane.Open --error--> nothing has changed
//	                            v             |
//	                     Plane.Publish <-- commit
package control

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/balancer"
	"sluice/proxy"
	"sluice/state"
)

// Compiled is a table together with the rows that it was made of. Rows are
// immutable, so the same pointers mean that nothing has changed.
type Compiled struct {
	Table     *proxy.Table
	listeners map[string]listener
	pools     map[string]*pool
}

type listener struct {
	row   *state.Listener
	pools []*proxy.Pool // that it names, see poolsOf
	made  *proxy.Listener
}

type pool struct {
	row     *state.Pool
	stamp   state.Stamp
	members []member         // by name
	places  []*proxy.Backend // of members, at the same index
	panic   string           // why health is ignored; "" if it is not
	empty   string           // why no backend can be had; "" if one can
	out     []bool           // of members: get none, since they are ill or on an order
	risen   []time.Time      // of members: begin slowly since then; nil if none does
	next    time.Time        // one of those gets more; zero if none does
	made    *proxy.Pool
}

// Compile makes the table for a view. It takes from previous, which may be
// nil, every pool and listener that would come out the same, and the load of
// every backend that is still there under its pool, name and address; if
// nothing at all differs it returns previous. Every fault is in the error, each
// with the listener or pool it is about.
func Compile(v *state.View, previous *Compiled) (*Compiled, error) {
	return compileAt(time.Now(), v, previous)
}

// compileAt is Compile at a time, which matters to those that start slowly.
func compileAt(now time.Time, v *state.View, previous *Compiled) (*Compiled, error) {
	if previous == nil {
		previous = &Compiled{}
	}
	next := &Compiled{
		Table:     &proxy.Table{},
		listeners: make(map[string]listener, len(previous.listeners)),
		pools:     make(map[string]*pool, len(previous.pools)),
	}
	var faults []error
	same := previous.Table != nil
	for row := range v.Pools() {
		old := previous.pools[row.Name]
		p, err := compilePool(now, v, row, old)
		if err != nil {
			faults = append(faults, fmt.Errorf("pool %s: %w", row.Name, err))
			continue
		}
		same = same && p == old
		next.pools[row.Name] = p
		next.Table.Pools = append(next.Table.Pools, p.made)
	}
	for row := range v.Listeners() {
		if slices.ContainsFunc(poolsOf(row), func(name string) bool { return v.Pool(name) != nil && next.pools[name] == nil }) {
			continue // a pool of it has a fault of its own
		}
		old := previous.listeners[row.Name]
		l, err := compileListener(row, next.pools, old)
		if err != nil {
			faults = append(faults, fmt.Errorf("listener %s: %w", row.Name, err))
			continue
		}
		same = same && l.made == old.made
		next.listeners[row.Name] = l
		next.Table.Listeners = append(next.Table.Listeners, l.made)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if same && len(next.pools) == len(previous.pools) && len(next.listeners) == len(previous.listeners) {
		return previous, nil
	}
	return next, nil
}

func compilePool(now time.Time, v *state.View, row *state.Pool, old *pool) (*pool, error) {
	stamp := v.Stamp(row.Name)
	same := old != nil && old.row == row && !old.climbs(now)
	if same && old.stamp == stamp {
		return old, nil
	}
	members := membersOf(v, row.Name)
	if same && slices.Equal(old.members, members) {
		return old, nil
	}
	made, err := proxyPool(row)
	if err != nil {
		return nil, err
	}
	places, order := placesOf(members, old), inOrder(members)
	standings := standingsOf(row, members, order)
	p := &pool{row: row, stamp: stamp, members: members, places: places, panic: panicOf(standings), empty: emptyOf(standings), made: made}
	p.climb(now, standings, order, old)
	p.weigh(now, standings, order)
	tiers := tiersOf(standings, order, places, made)
	if made.Balancer, err = balancer.NewPool(row.Policy, tiers...); err != nil {
		return nil, err
	}
	return p, nil
}
