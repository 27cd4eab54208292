package state

import (
	"iter"

	"sluice/config"
)

// Listener is a row of listeners.
type Listener struct{ config.Listener }

// Listeners are the listeners by name.
func (v *View) Listeners() iter.Seq[*Listener] { return all[Listener](v.txn, Listeners) }

// Listener is the one of that name, or nil.
func (v *View) Listener(name string) *Listener { return one[Listener](v.txn, Listeners, name) }
