package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"sluice/state"
)

// Order is the body of PATCH /v1/pools/{pool}/backends/{backend}; what it does
// not name stays as it is.
type Order struct {
	Mode   *string `json:"mode,omitempty"`   // ready, drain or maint
	Weight *int    `json:"weight,omitempty"` // 1 to 65535; 0: the backend's own
}

// Ordered is the answer to it.
type Ordered struct {
	Backend
	Warning string `json:"warning,omitempty"`
}

// BackendPath is where a backend is in the API.
func BackendPath(pool, backend string) string {
	return "/v1/pools/" + url.PathEscape(pool) + "/backends/" + url.PathEscape(backend)
}

const mostWeight = 65535

// mostNames is how many names an answer lists.
const mostNames = 12

// oneOf says what there is instead.
func oneOf(names []string) string {
	switch {
	case len(names) == 0:
		return "there is none"
	case len(names) > mostNames:
		return fmt.Sprintf("use one of %s and %d more", strings.Join(names[:mostNames], ", "), len(names)-mostNames)
	}
	return "use one of " + strings.Join(names, ", ")
}

// orderBackend writes an override. The workers go by it some milliseconds later.
func (s *Server) orderBackend(w http.ResponseWriter, q *http.Request) error {
	var order Order
	if err := take(q, &order); err != nil {
		return err
	}
	pool, name := q.PathValue("pool"), q.PathValue("backend")
	if _, err := s.backend(s.store.View(), pool, name); err != nil {
		return err
	}
	change := s.store.Change()
	defer change.Abort()
	o := state.Override{Pool: pool, Backend: name}
	if was := change.View().Override(pool, name); was != nil {
		o = *was
	}
	if err := order.apply(&o); err != nil {
		return err
	}
	if o.Mode == state.Ready && o.Weight == 0 {
		change.DeleteOverride(pool, name)
	} else {
		change.SetOverride(&o)
	}
	change.Commit()
	s.feed.poke()
	s.log.Info("ordered: "+pool+"/"+name, zap.Stringer("mode", o.Mode), zap.Int("weight", o.Weight))

	view := s.store.View()
	b, err := s.backend(view, pool, name)
	if err != nil {
		return err // a reload has taken it out meanwhile
	}
	done := Ordered{Backend: b}
	if err := s.keep.save(s.store); err != nil {
		s.log.Error("an order would be forgotten at a restart", zap.Error(err))
		done.Warning = "in force, but it would be forgotten at a restart: " + err.Error()
	}
	answer(w, http.StatusOK, done)
	return nil
}

// apply puts an order into the override there was.
func (o *Order) apply(to *state.Override) error {
	if o.Mode == nil && o.Weight == nil {
		return &refusal{http.StatusBadRequest, "nothing is ordered", `send {"mode": "ready", "drain" or "maint"}, {"weight": N}, or both`}
	}
	if o.Mode != nil {
		mode, ok := modes[*o.Mode]
		if !ok {
			return &refusal{http.StatusBadRequest, fmt.Sprintf("mode %q is not known", clip(*o.Mode)), "use ready, drain or maint"}
		}
		to.Mode = mode
	}
	if o.Weight != nil {
		if *o.Weight < 0 || *o.Weight > mostWeight {
			return &refusal{http.StatusBadRequest, fmt.Sprintf("weight %d is not possible", *o.Weight), "use 1 to 65535, or 0 for the backend's own"}
		}
		to.Weight = *o.Weight
	}
	return nil
}

var modes = map[string]state.Mode{
	state.Ready.String(): state.Ready,
	state.Drain.String(): state.Drain,
	state.Maint.String(): state.Maint,
}
