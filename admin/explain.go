package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sluice/balancer"
	"sluice/config"
	"sluice/control"
	"sluice/proxy"
	"sluice/state"
)

// Explanation is the answer to GET /v1/explain: what a connection would meet.
type Explanation struct {
	Listener string      `json:"listener"`
	From     string      `json:"from"`
	Steps    []string    `json:"steps"`   // in the order in which they would be met
	Route    int         `json:"route"`   // the number of the route that would take it, from 0; -1: none
	Pool     string      `json:"pool"`    // "" if it would not come so far
	Backend  string      `json:"backend"` // "" if the policy decides only then, or there is none
	Backends []Candidate `json:"backends"`
}

// Candidate is a backend of the pool, and whether it would be taken.
type Candidate struct {
	Name  string `json:"name"`
	Taken string `json:"taken"` // yes, maybe or no
	Why   string `json:"why"`
}

func (s *Server) explain(w http.ResponseWriter, q *http.Request) error {
	query := q.URL.Query()
	for key := range query {
		if key != "listener" && key != "from" && key != "sni" && key != "alpn" {
			return badQuery(key, query.Get(key), "listener, from, sni, alpn")
		}
	}
	from, err := netip.ParseAddr(query.Get("from"))
	if err != nil {
		return badQuery("from", query.Get("from"), "the client's IP address")
	}
	l := s.configured(query.Get("listener"))
	if l == nil {
		var names []string
		for _, l := range s.config().Listeners {
			names = append(names, l.Name)
		}
		return &refusal{http.StatusNotFound, "there is no listener " + clip(query.Get("listener")), oneOf(names)}
	}
	said, err := saidBy(query)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, s.explanation(l, from.Unmap(), said))
	return nil
}

func (s *Server) configured(listener string) *config.Listener {
	cfg := s.config()
	for i := range cfg.Listeners {
		if cfg.Listeners[i].Name == listener {
			return &cfg.Listeners[i]
		}
	}
	return nil
}

// explanation goes the way of a connection.
func (s *Server) explanation(l *config.Listener, from netip.Addr, said clientHello) *Explanation {
	e := &Explanation{Listener: l.Name, From: from.String(), Route: -1, Backends: []Candidate{}}
	say := func(format string, args ...any) { e.Steps = append(e.Steps, fmt.Sprintf(format, args...)) }
	count := s.data.Listening()[l.Name]
	switch {
	case s.process.About().NotReady != "":
		say("process: %s", s.process.About().NotReady)
	case count.Paused:
		say("listener %s: paused at a limit, it would wait in the backlog", l.Name)
	case l.MaxConnections > 0:
		say("listener %s: accepted, %d of %d connections", l.Name, count.Active, l.MaxConnections)
	default:
		say("listener %s: accepted, %d connections", l.Name, count.Active)
	}
	steps, may := s.data.Guards(l.Name, from)
	e.Steps = append(e.Steps, steps...)
	if !may {
		say("turned away by %s", l.Reject)
		return e
	}
	if e.Pool = l.Pool; !s.explainRoute(e, l, from, said, say) {
		return e
	}
	view := s.store.View()
	row := view.Pool(e.Pool)
	table := poolIn(s.data.Table(), e.Pool)
	if row == nil || table == nil {
		say("pool %s: not in force yet", e.Pool)
		return e
	}
	say("pool %s: %s", e.Pool, row.Policy)
	e.Backend = wouldPick(table, row.Policy, l.Name, from, said.name)
	left := 0
	for _, st := range control.Standings(view, e.Pool) {
		c := s.candidate(&st, table, e.Backend)
		if c.Taken != "no" {
			left++
		}
		e.Backends = append(e.Backends, c)
	}
	switch {
	case e.Backend != "":
		say("backend %s: %s decides by what does not change", e.Backend, row.Policy)
	case left == 0 && table.Queue > 0 && full(e.Backends):
		say("every backend is full: it would wait, as %d of %d do", table.Waiting().Now, table.Queue)
	case left == 0:
		say("no backend: turned away by %s", l.Reject)
	default:
		say("backend: one of %d, as %s finds them at that moment", left, row.Policy)
	}
	return e
}

// full reports whether some backend is out of reach only since it is full.
func full(all []Candidate) bool {
	return slices.ContainsFunc(all, func(c Candidate) bool { return strings.HasPrefix(c.Why, "full: ") })
}

func poolIn(t *proxy.Table, name string) *proxy.Pool {
	for _, p := range t.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// wouldPick is the backend that a policy without chance and without memory
// picks; "" for the others. The picker is asked as a worker would ask it.
func wouldPick(p *proxy.Pool, policy, listener string, from netip.Addr, sni string) string {
	r := balancer.Request{}
	switch policy {
	case "first":
	case "source_hash", "maglev":
		switch {
		case p.HashOn == proxy.HashListener:
			r.Key = balancer.HashString(listener)
		case p.HashOn == proxy.HashSNI && sni != "":
			r.Key = balancer.HashString(sni)
		default:
			r.Key = balancer.HashAddr(from)
		}
	default:
		return ""
	}
	ref, verdict := p.Balancer.Pick(&r)
	if verdict != balancer.Picked {
		return ""
	}
	b := p.Backends[ref]
	b.Load.Release()
	return b.Name
}

// candidate says whether a backend would be taken.
func (s *Server) candidate(st *control.Standing, p *proxy.Pool, picked string) Candidate {
	c := Candidate{Name: st.Backend.Name, Taken: "no", Why: st.Why}
	active, took := int64(0), time.Duration(0)
	for _, b := range p.Backends {
		if b.Name == c.Name {
			active, took = b.Load.Active(), s.data.Latency(b)
		}
	}
	if left := untilIn(st.Ejection); left > 0 {
		c.Why += fmt.Sprintf("; for another %v", left)
	}
	most := st.MaxConnections
	switch {
	case st.Place == control.Out:
	case most > 0 && active >= int64(most):
		c.Why = fmt.Sprintf("full: %d of %d connections", active, most)
	case c.Name == picked:
		c.Taken = "yes"
	case picked != "":
		c.Why += "; another is picked, and this one only if that one fails"
	case st.Place == control.Serves:
		c.Taken = "maybe"
		c.Why += fmt.Sprintf(", weight %d, %d connections", st.Weight, active)
		if took > 0 {
			c.Why += fmt.Sprintf(", answers in %v", took.Round(time.Microsecond))
		}
	}
	return c
}

// untilIn is how long an ejection lasts from now on, in whole seconds.
func untilIn(e *state.Ejection) time.Duration {
	if e == nil {
		return 0
	}
	return time.Until(e.Until).Round(time.Second)
}
