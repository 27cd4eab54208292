package health

import (
	"time"

	"sluice/config"
	"sluice/state"
)

// key names a backend.
type key struct{ pool, backend string }

// check is one backend that is being followed. It belongs to the goroutine of
// Run.
type check struct {
	key
	subject  state.Subject
	inquiry  *inquiry       // whose answers it gets
	settings *config.Health // of the pool's row, which a reload replaces
	tracker  tracker
	since    time.Time // of the tracker's status
	walk     uint64    // the last follow that found it
	gone     bool      // no longer followed; what is still in flight does not count
	result   error     // the last one that counted
	warned   string    // the last warning, while it holds
}
