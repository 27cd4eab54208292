package state

import (
	"reflect"

	"sluice/config"
)

// SetConfig makes the listeners, the pools and the backends of SourceConfig
// what cfg says. A row that would not differ is not touched and stays the same
// pointer; backends of other sources, verdicts and overrides are not touched
// at all. The caller is control.
func (c *Change) SetConfig(cfg *config.Config) {
	var listeners []*Listener
	var pools []*Pool
	var backends []*Backend
	for _, l := range cfg.Listeners {
		listeners = append(listeners, &Listener{l})
	}
	for _, p := range cfg.Pools {
		for i, b := range p.Backends {
			backends = append(backends, &Backend{Pool: p.Name, Source: SourceConfig, Order: i, Backend: b})
		}
		p.Backends = nil
		pools = append(pools, &Pool{p})
	}
	replace(c, Listeners, listeners, nil)
	replace(c, Pools, pools, nil)
	replace(c, Backends, backends, func(b *Backend) bool { return b.Source == SourceConfig })
}

// replace makes want the rows of t that are mine (nil: all of them).
func replace[T any](c *Change, t Table, want []*T, mine func(*T) bool) {
	index := schema.Tables[string(t)].Indexes[id].Indexer.(keyIndex[T])
	stale := map[string]*T{}
	for row := range all[T](c.txn, t) {
		if mine == nil || mine(row) {
			stale[index.of(row)] = row
		}
	}
	for _, row := range want {
		k := index.of(row)
		old := stale[k]
		delete(stale, k)
		if old == nil || !reflect.DeepEqual(old, row) {
			c.put(t, row)
		}
	}
	for _, row := range stale {
		c.drop(t, row)
	}
}
