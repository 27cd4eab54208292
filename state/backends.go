package state

import (
	"iter"

	"sluice/config"
)

// SourceConfig is the source of the backends that stand in the file.
const SourceConfig = "config"

// Backend is a row of backends.
type Backend struct {
	Pool   string
	Source string // who found it
	Order  int    // its place among those of its pool and source
	config.Backend
}

// Backends are the backends of a pool, by name. If two sources have found one
// of the same name, it is that of the source that sorts first.
func (v *View) Backends(pool string) iter.Seq[*Backend] { return v.backends(pool) }

// AllBackends are the backends of every pool, by pool and name.
func (v *View) AllBackends() iter.Seq[*Backend] { return v.backends() }

func (v *View) backends(key ...any) iter.Seq[*Backend] {
	return func(yield func(*Backend) bool) {
		var last *Backend
		for b := range all[Backend](v.txn, Backends, key...) {
			if last != nil && last.Name == b.Name && last.Pool == b.Pool {
				continue
			}
			if last = b; !yield(b) {
				return
			}
		}
	}
}

// Backend is the one of that pool and name, or nil.
func (v *View) Backend(pool, name string) *Backend {
	for b := range all[Backend](v.txn, Backends, pool, name) {
		return b
	}
	return nil
}
