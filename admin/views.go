package admin

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Listeners is the answer to GET /v1/listeners.
type Listeners struct {
	Listeners []Listener `json:"listeners"`
}

// Listener is a listener as it is now.
type Listener struct {
	Name           string   `json:"name"`
	Bound          []string `json:"bound"`
	Pool           string   `json:"pool"`
	Relay          string   `json:"relay"`
	Connections    int64    `json:"connections"`
	MaxConnections int      `json:"max_connections"` // 0: no limit of its own
	Paused         bool     `json:"paused"`          // a limit is reached, clients wait in the backlog
	Multipath      bool     `json:"multipath"`       // clients can come by MPTCP
}

func (s *Server) listListeners(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, Listeners{s.listeners()})
	return nil
}

func (s *Server) listeners() []Listener {
	all := []Listener{}
	counts := s.data.Listening()
	for _, l := range s.config().Listeners {
		v := Listener{
			Name: l.Name, Bound: []string{}, Pool: l.Pool, Relay: l.Relay, MaxConnections: l.MaxConnections,
			Connections: counts[l.Name].Active, Paused: counts[l.Name].Paused, Multipath: counts[l.Name].Multipath,
		}
		for _, a := range s.data.Bound(l.Name) {
			v.Bound = append(v.Bound, a.String())
		}
		all = append(all, v)
	}
	return all
}

func (s *Server) showConfig(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, s.config().Tree())
	return nil
}

// LogLevel is the answer to GET /v1/log-level, and the body of PUT.
type LogLevel struct {
	Level string `json:"level"` // debug, info, warn or error
}

func (s *Server) showLogLevel(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, LogLevel{s.process.LogLevel()})
	return nil
}

func (s *Server) setLogLevel(w http.ResponseWriter, q *http.Request) error {
	var l LogLevel
	if err := take(q, &l); err != nil {
		return err
	}
	before := s.process.LogLevel()
	if !s.process.SetLogLevel(l.Level) {
		return &refusal{http.StatusBadRequest, "level " + clip(l.Level) + " is not known", "use debug, info, warn or error"}
	}
	s.log.Warn("ordered: log level", zap.String("from", before), zap.String("to", l.Level))
	answer(w, http.StatusOK, l)
	return nil
}

// Transition is a backend that became up, down or unknown, or was ejected or let
// in again.
type Transition struct {
	Time         time.Time `json:"time"`
	Pool         string    `json:"pool"`
	Backend      string    `json:"backend"`
	From         string    `json:"from"`
	To           string    `json:"to"`
	Reason       string    `json:"reason"`
	By           string    `json:"by"`            // probe, connect or reload; clients: it was ejected
	AfterSeconds float64   `json:"after_seconds"` // how long it had been as it was
}

// Transitions is the answer to GET /v1/history: the latest first.
type Transitions struct {
	Transitions []Transition `json:"transitions"`
}

// mostHistory is how many transitions are remembered.
const mostHistory = 500

// history remembers the latest transitions.
type history struct {
	mu   sync.Mutex
	ring []Transition
	next int
}

// Transition is told of every transition. It may be called by anyone.
func (s *Server) Transition(t Transition) {
	s.feed.tell(t)
	s.meter.tallies.turned(t.Pool, t.Backend, t.To)
	h := &s.past
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ring) < mostHistory {
		h.ring = append(h.ring, t)
		return
	}
	h.ring[h.next] = t
	h.next = (h.next + 1) % mostHistory
}

// Recall puts what another process remembered, the latest first, before all that
// this one is told.
func (s *Server) Recall(all []Transition) {
	h := &s.past
	h.mu.Lock()
	defer h.mu.Unlock()
	all = slices.Clone(all[:min(len(all), mostHistory-len(h.ring))])
	slices.Reverse(all)
	h.ring = append(all, h.ring...)
}

// Remembered is what Recall takes.
func (s *Server) Remembered() []Transition { return s.past.latest("", "", mostHistory) }

// latest are those of a pool and a backend, "" for any, the latest first.
func (h *history) latest(pool, backend string, most int) []Transition {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []Transition{}
	for i := len(h.ring) - 1; i >= 0 && len(all) < most; i-- {
		t := h.ring[(h.next+i)%len(h.ring)]
		if (pool == "" || t.Pool == pool) && (backend == "" || t.Backend == backend) {
			all = append(all, t)
		}
	}
	return all
}

func (s *Server) showHistory(w http.ResponseWriter, q *http.Request) error {
	limit, pool, backend := usualPage, "", ""
	for key := range q.URL.Query() {
		var err error
		switch v := q.URL.Query().Get(key); key {
		case "pool":
			pool = v
		case "backend":
			backend = v
		case "limit":
			limit, err = number(key, v, 1, mostHistory)
		default:
			err = badQuery(key, v, "pool, backend, limit")
		}
		if err != nil {
			return err
		}
	}
	answer(w, http.StatusOK, Transitions{s.past.latest(pool, backend, limit)})
	return nil
}
