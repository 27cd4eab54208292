package control

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/proxy"
	"sluice/state"
)

// settle is how long the loop waits after a commit before it compiles, so that
// a storm of transitions (a rack that goes dark) becomes one table. It is well
// under any probe interval, and no client can tell it from the network.
const settle = 5 * time.Millisecond

// Plane is the data plane. Open opens the sockets that a table needs and that
// are not open yet, and on an error leaves none open; the error names the
// listener. Publish puts the table in force; the opening is nil if the table
// listens where the last one does. Reset resets the connections to a backend
// and returns how many there were. Control makes one call at a time.
type Plane interface {
	Open(*proxy.Table) (*proxy.Opening, error)
	Publish(*proxy.Table, *proxy.Opening)
	Reset(b *proxy.Backend, why proxy.Cause) int
}

// Control compiles and publishes.
type Control struct {
	store *state.Store
	plane Plane
	log   *zap.Logger

	// mu is held from the moment a view is taken to the moment its table is in
	// force: that is what keeps an older view from being published over a newer
	// one. It is taken before the store's write lock, never after.
	mu    sync.Mutex
	now   *Compiled // in force; nil before the first Reload
	fault string    // of the last compile in the loop
}

// New makes a Control that has published nothing yet.
func New(store *state.Store, plane Plane, log *zap.Logger) *Control {
	return &Control{store: store, plane: plane, log: log}
}

// Run publishes a table after every commit that makes a difference, until ctx
// is done.
func (c *Control) Run(ctx context.Context) {
	for {
		view := c.publish()
		if c.wait(ctx, view) != nil {
			return
		}
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return
		}
	}
}

// publish puts the state as it is now in force, and returns it.
func (c *Control) publish() *state.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	view := c.store.View()
	if c.now == nil {
		return view
	}
	next, err := Compile(view, c.now)
	if err != nil {
		if err.Error() != c.fault {
			c.log.Error("table not compiled, the last one stays in force", zap.Error(err))
		}
		c.fault = err.Error()
		return view
	}
	c.fault = ""
	if next != c.now {
		c.enforce(next, nil)
	}
	return view
}

// Reload makes cfg the configuration. When it returns an error nothing has
// changed: not the state, not a socket, not the table in force. When it
// returns nil the new table is in force.
func (c *Control) Reload(cfg *config.Config) (Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change := c.store.Change()
	defer change.Abort()
	before := c.store.View()
	change.SetConfig(cfg)
	after := change.View()

	next, err := Compile(after, c.now)
	if err != nil {
		return Plan{}, err
	}
	if next == c.now {
		change.Commit() // it may hold rows that make no difference to the table
		return planOf(before, after), nil
	}
	opening, err := c.plane.Open(next.Table)
	if err != nil {
		return Plan{}, err
	}
	change.Commit()
	c.enforce(next, opening)
	return planOf(before, after), nil
}

// enforce puts a table into force, and tells what it means.
func (c *Control) enforce(next *Compiled, o *proxy.Opening) {
	c.plane.Publish(next.Table, o)
	c.cut(c.now, next)
	c.tellPanic(c.now, next)
	c.tellEmpty(c.now, next)
	c.now = next
}

// Check says what Reload would say of cfg, but for the sockets.
func Check(cfg *config.Config) error {
	change := state.New().Change()
	defer change.Abort()
	change.SetConfig(cfg)
	_, err := Compile(change.View(), nil)
	return err
}
