package admin

import (
	"errors"
	"net/http"
	"strings"

	"sluice/config"
	"sluice/control"
)

// ErrStopping is what Process says to changes that come too late.
var ErrStopping = errors.New("the process is stopping")

// Unavailable is an error of Process: what was asked cannot be had here.
type Unavailable struct{ What, Instead string }

func (u *Unavailable) Error() string { return u.What }

// Reloaded is the answer to POST /v1/reload.
type Reloaded struct {
	Changes string       `json:"changes"` // for people
	Plan    control.Plan `json:"plan"`
}

func (s *Server) reload(w http.ResponseWriter, q *http.Request) error {
	plan, err := s.process.Reload(q.Context())
	switch {
	case errors.Is(err, ErrStopping):
		return &refusal{http.StatusConflict, err.Error(), "ask the process that takes its place"}
	case err != nil:
		return faultsOf(err, "reload refused: nothing has changed")
	}
	answer(w, http.StatusOK, Reloaded{plan.String(), plan})
	return nil
}

func faultsOf(err error, what string) error {
	return &faulty{
		refusal{http.StatusUnprocessableEntity, what, "mend the faults; sluice check FILE finds them without a reload"},
		strings.Split(strings.TrimRight(err.Error(), "\n"), "\n"),
	}
}

// Planned is the answer to GET /v1/plan: what a reload would change.
type Planned struct {
	Differences []config.Difference `json:"differences"`
}

func (s *Server) plan(w http.ResponseWriter, _ *http.Request) error {
	all, err := s.process.Plan()
	if err != nil {
		return faultsOf(err, "a reload would be refused")
	}
	answer(w, http.StatusOK, Planned{append([]config.Difference{}, all...)})
	return nil
}

// UpgradeOrder is the body of POST /v1/upgrade.
type UpgradeOrder struct {
	Binary string `json:"binary"` // "": the path that this process was started from
}

// Upgrading is the answer to it: it has begun, and what becomes of it is the
// handover of that number in GET /v1/status.
type Upgrading struct {
	Number int `json:"number"`
}

func (s *Server) upgrade(w http.ResponseWriter, q *http.Request) error {
	var o UpgradeOrder
	if err := take(q, &o); err != nil {
		return err
	}
	if o.Binary != "" && !strings.HasPrefix(o.Binary, "/") {
		return &refusal{http.StatusBadRequest, "the path of the binary is not absolute", "send one that begins with a slash"}
	}
	number, err := s.process.Upgrade(o.Binary)
	var none *Unavailable
	switch {
	case errors.As(err, &none):
		return &refusal{http.StatusNotImplemented, none.What, none.Instead}
	case errors.Is(err, ErrStopping):
		return &refusal{http.StatusConflict, err.Error(), "ask the process that takes its place"}
	case err != nil:
		return &refusal{http.StatusUnprocessableEntity, err.Error(), "the running program goes on"}
	}
	answer(w, http.StatusAccepted, Upgrading{number})
	return nil
}
