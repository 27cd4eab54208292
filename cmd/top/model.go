package top

import (
	"slices"
	"time"

	"sluice/admin"
)

// subject is what has rates; the zero value is the whole.
type subject struct{ listener, pool, backend string }

func subjectOf(r *admin.Rate) subject { return subject{r.Listener, r.Pool, r.Backend} }

const (
	traceSteps      = 60 // of five seconds
	mostTransitions = 200
)

// model is what is known of the balancer.
type model struct {
	known  bool // a snapshot has come
	whole  admin.Snapshot
	rates  map[subject]admin.Rate
	traces map[subject][]float32 // bytes a second, the latest last
}

func (m *model) snapshot(s admin.Snapshot) {
	m.known, m.whole = true, s
	m.rates = make(map[subject]admin.Rate, len(s.Rates))
	for _, r := range s.Rates {
		m.rates[subjectOf(&r)] = r
	}
	m.traces = make(map[subject][]float32, len(s.Traces))
	for _, t := range s.Traces {
		m.traces[subject{t.Listener, t.Pool, t.Backend}] = t.Bytes
	}
}

func (m *model) tick(t admin.Tick) {
	s := &m.whole
	s.Time, s.Token = t.Time, t.Token
	s.Status.Ready, s.Status.NotReady, s.Status.ReadOnly = t.NotReady == "", t.NotReady, t.ReadOnly
	s.Status.Accepted = t.Accepted
	if t.Handovers != nil {
		s.Status.Handovers = t.Handovers
	}
	for _, r := range t.Rates {
		m.rates[subjectOf(&r)] = r
	}
	for _, l := range t.Listeners {
		replace(s.Listeners, l, func(x admin.Listener) bool { return x.Name == l.Name })
	}
	for _, b := range t.Backends {
		for _, p := range s.Pools {
			if p.Name == b.Pool {
				replace(p.Backends, b, func(x admin.Backend) bool { return x.Name == b.Name })
			}
		}
	}
	if t.Step {
		m.step(t.Points)
	}
}

func replace[T any](all []T, by T, which func(T) bool) {
	if i := slices.IndexFunc(all, which); i >= 0 {
		all[i] = by
	}
}

// step moves every trace on. Who is not named has done nothing.
func (m *model) step(points []admin.Rate) {
	now := make(map[subject]float32, len(points))
	for _, p := range points {
		of := subjectOf(&p)
		now[of] = float32(p.Up + p.Down)
		if _, there := m.traces[of]; !there {
			m.traces[of] = nil
		}
	}
	for of, trace := range m.traces {
		trace = append(trace, now[of])
		m.traces[of] = trace[max(0, len(trace)-traceSteps):]
	}
}

func (m *model) transition(t admin.Transition) {
	all := append([]admin.Transition{t}, m.whole.Transitions...)
	m.whole.Transitions = all[:min(len(all), mostTransitions)]
}

// rate is what somebody does now; it has its names even where nothing happens.
func (m *model) rate(of subject) admin.Rate {
	r := m.rates[of]
	r.Listener, r.Pool, r.Backend = of.listener, of.pool, of.backend
	return r
}

// document is what --json prints of a moment: a tick that leaves out nothing.
type document struct {
	Time        time.Time          `json:"time"`
	NotReady    string             `json:"not_ready"` // why; "": it is ready
	ReadOnly    bool               `json:"read_only"`
	Accepted    uint64             `json:"accepted"`
	Rates       []admin.Rate       `json:"rates"` // the whole, listeners, pools, backends
	Listeners   []admin.Listener   `json:"listeners"`
	Backends    []admin.Backend    `json:"backends"`
	Handovers   []admin.Handover   `json:"handovers"`
	Transitions []admin.Transition `json:"transitions"` // since the document before
}

func (m *model) document(transitions []admin.Transition) *document {
	s := &m.whole
	d := &document{
		Time: s.Time, NotReady: s.Status.NotReady, ReadOnly: s.Status.ReadOnly, Accepted: s.Status.Accepted,
		Rates: []admin.Rate{m.rate(subject{})}, Listeners: []admin.Listener{}, Backends: []admin.Backend{},
		Handovers: append([]admin.Handover{}, s.Status.Handovers...), Transitions: append([]admin.Transition{}, transitions...),
	}
	for _, l := range s.Listeners {
		r := m.rate(subject{listener: l.Name})
		l.Connections = r.Connections
		d.Rates, d.Listeners = append(d.Rates, r), append(d.Listeners, l)
	}
	for _, p := range s.Pools {
		d.Rates = append(d.Rates, m.rate(subject{pool: p.Name}))
		for _, b := range p.Backends {
			r := m.rate(subject{pool: p.Name, backend: b.Name})
			b.Connections, b.LatencyMS = r.Connections, 0 // the stream does not follow the latency
			d.Rates, d.Backends = append(d.Rates, r), append(d.Backends, b)
		}
	}
	return d
}
