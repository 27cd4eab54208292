package admin

import (
	"net/http"
	"time"
)

// Status is the answer to GET /v1/status.
type Status struct {
	About
	Ready          bool             `json:"ready"`
	UptimeSeconds  float64          `json:"uptime_seconds"`
	Workers        int              `json:"workers"`
	Connections    int64            `json:"connections"` // now
	MaxConnections int              `json:"max_connections"`
	Accepted       uint64           `json:"accepted"` // since the balancer started, handovers included
	Listeners      []StatusListener `json:"listeners"`
	Admin          []string         `json:"admin"` // where this API is
	ReadOnly       bool             `json:"read_only"`
	Handovers      []Handover       `json:"handovers"`
}

// StatusListener is a listener in short.
type StatusListener struct {
	Name  string   `json:"name"`
	Bound []string `json:"bound"`
	Pool  string   `json:"pool"`
}

// Health is the answer to GET /livez and /readyz.
type Health struct {
	Status string `json:"status"` // live, ready or not ready
	Why    string `json:"why,omitempty"`
}

// livez says that the process answers.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, Health{Status: "live"})
	return nil
}

// readyz says whether new clients should be sent here.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) error {
	if why := s.process.About().NotReady; why != "" {
		answer(w, http.StatusServiceUnavailable, Health{Status: "not ready", Why: why})
		return nil
	}
	answer(w, http.StatusOK, Health{Status: "ready"})
	return nil
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, s.statusNow())
	return nil
}

func (s *Server) statusNow() Status {
	about, stats := s.process.About(), s.data.Stats()
	return Status{
		About:          about,
		Ready:          about.NotReady == "",
		UptimeSeconds:  time.Since(about.Started).Seconds(),
		Workers:        len(stats.Workers),
		Connections:    stats.Active,
		MaxConnections: s.data.MaxConnections(),
		Accepted:       stats.Accepted,
		Listeners:      s.shortListeners(),
		Admin:          s.Addresses(),
		ReadOnly:       s.settings.Load().readOnly,
		Handovers:      append([]Handover{}, s.process.History()...),
	}
}

func (s *Server) shortListeners() []StatusListener {
	all := []StatusListener{}
	for _, l := range s.config().Listeners {
		short := StatusListener{Name: l.Name, Bound: []string{}, Pool: l.Pool}
		for _, a := range s.data.Bound(l.Name) {
			short.Bound = append(short.Bound, a.String())
		}
		all = append(all, short)
	}
	return all
}
