package admin

import (
	"net/http"
	"net/http/pprof"
	"strings"
)

// profiles are those of net/http/pprof. They cost CPU time and show what the
// process has in its memory, so they are off unless the configuration asks for
// them, and an operator's.
func (s *Server) profiles(w http.ResponseWriter, q *http.Request) error {
	if !s.settings.Load().pprof {
		return &refusal{http.StatusNotFound, "profiles are off", "set admin.pprof = true in the configuration and reload"}
	}
	switch strings.TrimPrefix(q.URL.Path, "/debug/pprof/") {
	case "cmdline":
		pprof.Cmdline(w, q)
	case "profile":
		pprof.Profile(w, q)
	case "symbol":
		pprof.Symbol(w, q)
	case "trace":
		pprof.Trace(w, q)
	default:
		pprof.Index(w, q) // a list, or the profile by its name
	}
	return nil
}
