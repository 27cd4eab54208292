package admin

import (
	"net/http"
	"time"

	"sluice/control"
	"sluice/proxy"
	"sluice/state"
)

// Pools is the answer to GET /v1/pools.
type Pools struct {
	Pools []Pool `json:"pools"`
}

// Pool is a pool with its backends, in the order of the file.
type Pool struct {
	Name        string    `json:"name"`
	Policy      string    `json:"policy"`
	Serving     int       `json:"serving"` // backends that get connections now
	Connections int64     `json:"connections"`
	MaxConns    int       `json:"max_connections"` // 0: no limit of its own
	Waiting     int64     `json:"waiting"`         // clients for whom every backend is full
	Queue       int       `json:"queue"`           // how many may wait; 0: they are turned away
	Backends    []Backend `json:"backends"`
}

// Backend is where a backend stands.
type Backend struct {
	Pool           string     `json:"pool"`
	Name           string     `json:"name"`
	Address        string     `json:"address"`
	Source         string     `json:"source"` // who found it: config, or a discovery source
	Place          string     `json:"place"`  // serving, standby or out
	Why            string     `json:"why"`
	Status         string     `json:"status"`          // up, down or unknown, as health says
	Since          *time.Time `json:"since,omitempty"` // of the last transition
	Mode           string     `json:"mode"`            // ready, drain or maint, as an operator has ordered
	Weight         int        `json:"weight"`          // in force
	OwnWeight      int        `json:"own_weight"`      // without an order
	Backup         bool       `json:"backup"`
	Connections    int64      `json:"connections"`
	MaxConnections int        `json:"max_connections"` // 0: no limit
	EjectedUntil   *time.Time `json:"ejected_until,omitempty"`
	LatencyMS      float64    `json:"latency_ms,omitempty"` // what least_latency reckons with
}

func (s *Server) listPools(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, Pools{s.pools()})
	return nil
}

func (s *Server) pools() []Pool {
	view, table := s.store.View(), s.data.Table()
	all := []Pool{}
	for row := range view.Pools() {
		all = append(all, s.poolOf(view, table, row))
	}
	return all
}

func (s *Server) showPool(w http.ResponseWriter, q *http.Request) error {
	view := s.store.View()
	row := view.Pool(q.PathValue("pool"))
	if row == nil {
		return noPool(view, q.PathValue("pool"))
	}
	answer(w, http.StatusOK, s.poolOf(view, s.data.Table(), row))
	return nil
}

func (s *Server) showBackend(w http.ResponseWriter, q *http.Request) error {
	b, err := s.backend(s.store.View(), q.PathValue("pool"), q.PathValue("backend"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, b)
	return nil
}

func (s *Server) poolOf(view *state.View, table *proxy.Table, row *state.Pool) Pool {
	p := Pool{Name: row.Name, Policy: row.Policy, MaxConns: row.MaxConnections, Queue: row.Queue, Backends: []Backend{}}
	if now := poolIn(table, row.Name); now != nil {
		p.Waiting = now.Waiting().Now
	}
	places := placesIn(table, row.Name)
	for _, st := range control.Standings(view, row.Name) {
		b := s.backendOf(&st, places)
		p.Backends = append(p.Backends, b)
		p.Connections += b.Connections
		if st.Place == control.Serves {
			p.Serving++
		}
	}
	return p
}

// placesIn are the backends of a pool as the workers have them, by name.
func placesIn(table *proxy.Table, pool string) map[string]*proxy.Backend {
	places := make(map[string]*proxy.Backend)
	if p := poolIn(table, pool); p != nil {
		for _, b := range p.Backends {
			places[b.Name] = b
		}
	}
	return places
}

func (s *Server) backendOf(st *control.Standing, places map[string]*proxy.Backend) Backend {
	b := Backend{
		Pool: st.Backend.Pool, Name: st.Backend.Name, Address: st.Backend.Address.String(), Source: st.Backend.Source,
		Place: st.Place.String(), Why: st.Why, Status: st.Status.String(), Mode: state.Ready.String(),
		Weight: st.Weight, OwnWeight: st.Backend.Weight, Backup: st.Backend.Backup,
		MaxConnections: st.MaxConnections,
	}
	if at := places[st.Backend.Name]; at != nil {
		b.Connections = at.Load.Active()
		b.LatencyMS = float64(s.data.Latency(at).Microseconds()) / 1000
	}
	if st.Health != nil {
		b.Since = &st.Health.Since
	}
	if st.Override != nil {
		b.Mode = st.Override.Mode.String()
	}
	if st.Ejection != nil {
		b.EjectedUntil = &st.Ejection.Until
	}
	return b
}

// backend is one of a pool.
func (s *Server) backend(view *state.View, pool, name string) (Backend, error) {
	if view.Pool(pool) == nil {
		return Backend{}, noPool(view, pool)
	}
	places := placesIn(s.data.Table(), pool)
	var names []string
	for _, st := range control.Standings(view, pool) {
		if st.Backend.Name == name {
			return s.backendOf(&st, places), nil
		}
		names = append(names, st.Backend.Name)
	}
	return Backend{}, &refusal{http.StatusNotFound, "pool " + pool + " has no backend " + clip(name), oneOf(names)}
}

func noPool(view *state.View, name string) error {
	var names []string
	for p := range view.Pools() {
		names = append(names, p.Name)
	}
	return &refusal{http.StatusNotFound, "there is no pool " + clip(name), oneOf(names)}
}
