package health

import (
	"context"
	"time"

	"sluice/config"
)

// probe asks a backend once whether it is well; nil means that it is. A warning
// is that as well. An unasked error says nothing of the backend, any other that
// it is not well;
// the text says for people what was tried and what became of it. A probe
// returns within the timeout, and at once when ctx is done.
type probe func(ctx context.Context, a config.Address, timeout time.Duration) error

// probes makes the probe of each type of health check. Of the settings it uses
// only what a state.Subject holds: a probe outlives a change of the others.
var probes = map[string]func(config.Health) probe{
	"tcp":         newTCP,
	"tls":         newTLS,
	"http":        newHTTP,
	"https":       newHTTP,
	"exec":        newExec,
	"grpc":        newGRPC,
	"send_expect": newSendExpect,
	"redis":       newRedis,
	"postgres":    newPostgres,
}

// none is the type of a pool whose backends are always up and never probed.
const none = "none"

// unasked is the error of a probe that could not be made, for want of a
// descriptor say.
type unasked struct{ error }

func (u unasked) Unwrap() error { return u.error }

// warning is the error of a probe that was good, with something that should be
// seen to before it is not.
type warning struct{ error }

func (w warning) Unwrap() error { return w.error }
