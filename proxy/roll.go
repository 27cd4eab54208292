package proxy

import (
	"encoding/json"
	"reflect"

	"sluice/balancer"
	"sluice/proxy/guard"
)

// roll says who the numbers in a book are. It is saved as a blob before a worker
// sees a number that is new.
type roll struct {
	Listeners []rollListener
	Pools     []Pool // without their backends
	Backends  []rollBackend
	Doors     []rollDoor
}

type rollListener struct {
	ID       uint32
	PoolName string
	Retired  bool
	Listener Listener // without its pool and its guards
}

type rollBackend struct {
	ID         uint32
	Pool, Name string
	Address    Address
	Retired    bool
}

type rollDoor struct {
	FD       int
	Listener uint32
	Address  Address
	Reach    Reach
	Only6    bool
	Free     string
	Inode    uint64
}

const rollName = "names"

// call makes the roll of a live.
func (l *live) call() *roll {
	r := &roll{}
	pools := map[string]bool{}
	add := func(p *Pool) {
		if p != nil && !pools[p.Name] {
			pools[p.Name] = true
			bare := *p
			bare.Backends, bare.Balancer, bare.poolState = nil, nil, nil
			r.Pools = append(r.Pools, bare)
		}
	}
	for _, p := range l.table.Pools {
		add(p)
	}
	for id, slot := range l.listeners {
		if slot != nil {
			for pool := range slot.pools() {
				add(pool)
			}
			bare := *slot.Listener
			bare.Pool, bare.Routes, bare.ProxyFrom = nil, nil, nil
			bare.ACL, bare.Rate, bare.PerSource = nil, guard.Rate{}, guard.Limits{}
			r.Listeners = append(r.Listeners, rollListener{ID: uint32(id), PoolName: slot.Pool.Name, Retired: slot.retired != 0, Listener: bare})
		}
	}
	for id, slot := range l.backends {
		if slot != nil {
			add(slot.pool)
			r.Backends = append(r.Backends, rollBackend{ID: uint32(id), Pool: slot.pool.Name, Name: slot.Name, Address: slot.Address, Retired: slot.retired != 0})
		}
	}
	for id, d := range l.doors {
		if d != nil {
			r.Doors = append(r.Doors, rollDoor{FD: d.fd, Listener: l.owners[id].id, Address: d.address, Reach: d.reach, Only6: d.only6, Free: d.free, Inode: d.inode})
		}
	}
	return r
}

// writeRoll saves who the numbers of a live are, if that has changed.
func (s *Server) writeRoll(l *live) error {
	if s.book.fd < 0 {
		return nil
	}
	r := l.call()
	if reflect.DeepEqual(r, s.roll) {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := s.book.save(rollName, text); err != nil {
		return err
	}
	s.roll = r
	return nil
}

// recall makes a live of a roll: what the process before knew. Pools have no
// backend that could be picked; take gives them those of a table. doors are those
// whose sockets are there.
func (r *roll) recall(doors []*door) *live {
	l := &live{table: &Table{}, listeners: []*listenerSlot{nil}, backends: []*backendSlot{nil}, doors: []*door{nil}, owners: []*listenerSlot{nil}}
	pools := map[string]*Pool{}
	pool := func(name string) *Pool {
		if pools[name] == nil {
			pools[name] = &Pool{Name: name}
		}
		return pools[name]
	}
	for i := range r.Pools {
		p := r.Pools[i]
		p.Queue, p.MaxConnections = 0, 0 // unless it is in the table there is nobody to wait for
		pools[p.Name] = &p
	}
	for _, b := range r.Backends {
		stub := &Backend{Name: b.Name, Address: b.Address, Load: &balancer.Load{ID: b.ID}}
		*place(&l.backends, b.ID) = &backendSlot{Backend: stub, pool: pool(b.Pool), retired: retiredIf(b.Retired)}
	}
	for _, x := range r.Listeners {
		was := x.Listener
		was.Pool = pool(x.PoolName)
		*place(&l.listeners, x.ID) = &listenerSlot{Listener: &was, listenerCount: &listenerCount{id: x.ID}, retired: retiredIf(x.Retired)}
	}
	for _, p := range pools {
		p.Balancer, _ = balancer.NewPool("round_robin") // of none: no fault is possible
	}
	for i, d := range doors {
		if d == nil || int(r.Doors[i].Listener) >= len(l.listeners) || l.listeners[r.Doors[i].Listener] == nil {
			continue
		}
		d.id = freeNumber(&l.doors)
		*place(&l.doors, d.id) = d
		*place(&l.owners, d.id) = l.listeners[r.Doors[i].Listener]
	}
	return l
}

// retiredIf is a version that nobody has seen.
func retiredIf(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// place is where id is in a list, which is made long enough.
func place[T any](list *[]*T, id uint32) **T {
	for int(id) >= len(*list) {
		*list = append(*list, nil)
	}
	return &(*list)[id]
}

// take gives what a table has the numbers it had before: its backends their
// numbers, and the pools of listeners that are gone their backends.
func (l *live) take(t *Table) {
	type identity struct{ pool, name, address string }
	known := map[identity]*backendSlot{}
	for _, slot := range l.backends {
		if slot != nil {
			known[identity{slot.pool.Name, slot.Name, slot.Address.String()}] = slot
		}
	}
	byName := map[string]*Pool{}
	for _, p := range t.Pools {
		byName[p.Name] = p
		for _, b := range p.Backends {
			if slot := known[identity{p.Name, b.Name, b.Address.String()}]; slot != nil {
				b.Load.ID = slot.Load.ID
				slot.Load = b.Load
				slot.retired = 0
			}
		}
	}
	for _, slot := range l.listeners {
		if slot != nil {
			if p := byName[slot.Pool.Name]; p != nil {
				slot.Listener.Pool = p
			}
		}
	}
}
