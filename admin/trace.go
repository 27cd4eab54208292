package admin

import "time"

// The traces: what each subject did in the last minutes, in memory that does
// not grow with time.
const (
	traceStep  = 5 * time.Second
	traceSteps = 60 // five minutes
	mostTraces = 8192
)

// step is what a subject did in one traceStep.
type step struct {
	connections   float32 // at its end
	opened, bytes float32 // a second
}

// traces are rings, all of them at the same place.
type traces struct {
	of   map[subject]*[traceSteps]step
	next int       // where the next step goes
	full int       // steps there are
	at   time.Time // the end of the latest; zero: none has begun
	from map[subject]counts
}

// due reports whether a step is over.
func (t *traces) due(now time.Time) bool { return now.Sub(t.at) >= traceStep }

// advance ends a step, or as many as have passed, and returns what happened a
// second in it, without those with nothing to tell.
func (t *traces) advance(now time.Time, read map[subject]counts) []Rate {
	passed, from := now.Sub(t.at), t.from
	first := t.at.IsZero()
	t.at, t.from = now, read
	points := []Rate{}
	if first {
		t.of = make(map[subject]*[traceSteps]step)
		return points
	}
	steps := max(1, min(int(passed/traceStep), traceSteps))
	for of := range t.of {
		if _, there := read[of]; !there {
			delete(t.of, of)
		}
	}
	for of, c := range read {
		was, known := from[of]
		if !known {
			was = c // nothing is known of what it did before
		}
		r := rateOf(of, was, c, passed)
		t.put(of, steps, step{float32(r.Connections), float32(r.Opened), float32(r.Up + r.Down)})
		if !r.zero() {
			points = append(points, r)
		}
	}
	t.next = (t.next + steps) % traceSteps
	t.full = min(t.full+steps, traceSteps)
	return points
}

func (t *traces) put(of subject, steps int, s step) {
	ring := t.of[of]
	if ring == nil {
		if len(t.of) >= mostTraces {
			return
		}
		ring = new([traceSteps]step)
		t.of[of] = ring
	}
	for i := range steps {
		ring[(t.next+i)%traceSteps] = s
	}
}

// Trace is what a listener, a pool, a backend or, without a name, the whole did
// in the last minutes: one number for each five seconds, the latest last.
type Trace struct {
	Listener    string    `json:"listener,omitempty"`
	Pool        string    `json:"pool,omitempty"`
	Backend     string    `json:"backend,omitempty"`
	Connections []float32 `json:"connections"`
	Opened      []float32 `json:"opened"` // connections a second
	Bytes       []float32 `json:"bytes"`  // a second, both directions
}

// all are the traces of those that did anything.
func (t *traces) all() []Trace {
	list := []Trace{}
	for of, ring := range t.of {
		if *ring == ([traceSteps]step{}) {
			continue
		}
		one := Trace{Listener: of.listener, Pool: of.pool, Backend: of.backend}
		for i := range t.full {
			s := ring[(t.next-t.full+i+traceSteps)%traceSteps]
			one.Connections = append(one.Connections, s.connections)
			one.Opened = append(one.Opened, s.opened)
			one.Bytes = append(one.Bytes, s.bytes)
		}
		list = append(list, one)
	}
	return list
}
