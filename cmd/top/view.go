package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/admin"
)

// page is one of the views.
type page int

const (
	pools page = iota
	connections
	transitions
	pages
)

var pageNames = [pages]string{"Pools", "Connections", "Transitions"}

// sorts are what each view can be sorted by; the first is how it begins.
var sorts = [pages][]string{
	{"file", "open", "bytes", "new", "state"},
	{"-age", "age", "-bytes", "-idle", "client"},
	{"time"},
}

// row is a row of a table. One that can be chosen is a backend or a connection.
type row struct {
	cells   []string
	styles  map[int]style // of cells
	heading bool
	backend *admin.Backend
	conn    *admin.Connection
}

func (r *row) choosable() bool { return r.backend != nil || r.conn != nil }

// key is the same for the same thing in the next frame.
func (r *row) key() string {
	switch {
	case r.backend != nil:
		return r.backend.Pool + " " + r.backend.Name
	case r.conn != nil:
		return r.conn.ID
	}
	return ""
}

// column of a table. One without a width has what is left over.
type column struct {
	name  string
	width int
	look  align
	rank  int // where there is no room, the highest goes first; 0: it stays
}

// align is how a cell fills its column.
type align uint8

const (
	left align = iota
	right
	tail // its end is what matters; it grows when there is room
)

var columnsOf = [pages][]column{
	pools: {{"NAME", 0, left, 0}, {"STATE", 15, left, 0}, {"WEIGHT", 6, right, 4}, {"OPEN", 7, right, 0},
		{"NEW/s", 7, right, 2}, {"UP", 12, right, 3}, {"DOWN", 12, right, 1}, {"LAST 5 MIN", traceSteps / 2, tail, 5}},
	connections: {{"CLIENT", 22, left, 0}, {"LISTENER", 12, left, 7}, {"BACKEND", 0, left, 0}, {"PHASE", 10, left, 6},
		{"AGE", 6, right, 1}, {"IDLE", 6, right, 5}, {"UP", 10, right, 4}, {"DOWN", 10, right, 3}, {"NOW", 12, right, 2}},
	transitions: {{"TIME", 19, left, 1}, {"BACKEND", 20, left, 0}, {"IS", 8, left, 0}, {"WAS", 16, left, 2}, {"REASON", 0, left, 0}},
}

// mostRank is the highest of them.
const mostRank = 7

// stateOf is how a backend stands, in a word.
func stateOf(b *admin.Backend) (string, style) {
	switch {
	case b.Place == "out" && b.Mode != "ready":
		return b.Mode, waiting
	case b.Place == "out" && strings.HasPrefix(b.Why, "ejected"):
		return "ejected", bad
	case b.Status == "down":
		return "down", bad
	case b.Place == "standby":
		return "standby", dim
	case b.Status == "unknown":
		return "unknown", dim
	case b.Why == "not checked":
		return b.Why, good
	}
	return "up", good
}

// poolRows are the listeners, and the pools with their backends.
func poolRows(m *model, sort string, now time.Time) (rows []row) {
	var most float32 // all traces have one scale
	for of, t := range m.traces {
		if of != (subject{}) {
			for _, n := range t {
				most = max(most, n)
			}
		}
	}
	cells := func(name, state, weight string, of subject) []string {
		r := m.rates[of]
		return []string{name, state, weight, fmt.Sprint(r.Connections), perSecond(r.Opened), speed(r.Up), speed(r.Down), trace(m.traces[of], most)}
	}
	for _, l := range m.whole.Listeners {
		state, look := "accepts", good
		if l.Paused {
			state, look = "paused", waiting
		}
		name := l.Name
		if l.Pool != "" { // else its routes have pools
			name += " → " + l.Pool
		}
		name += "  " + strings.Join(l.Bound, " ")
		rows = append(rows, row{cells: cells(name, state, "", subject{listener: l.Name}), styles: map[int]style{1: look}})
	}
	for _, p := range m.whole.Pools {
		serving := 0
		for _, b := range p.Backends {
			if b.Place == "serving" {
				serving++
			}
		}
		rows = append(rows, row{cells: []string{""}}, row{heading: true, cells: cells("pool "+p.Name+"  "+p.Policy,
			fmt.Sprintf("%d of %d serving", serving, len(p.Backends)), "", subject{pool: p.Name})})
		for _, b := range sorted(m, p.Backends, sort) {
			state, look := stateOf(&b)
			if b.Since != nil && (state == "up" || state == "down") {
				state += " " + span(now.Sub(*b.Since))
			}
			name := "  " + b.Name
			if b.Address != b.Name {
				name += "  " + b.Address
			}
			rows = append(rows, row{backend: &b, styles: map[int]style{1: look},
				cells: cells(name, state, fmt.Sprint(b.Weight), subject{pool: b.Pool, backend: b.Name})})
		}
	}
	return rows
}

// sorted are backends in an order, those that are alike in that of the file.
func sorted(m *model, all []admin.Backend, by string) []admin.Backend {
	all = slices.Clone(all)
	of := func(b *admin.Backend) admin.Rate { return m.rates[subject{pool: b.Pool, backend: b.Name}] }
	state := map[style]int{bad: 0, waiting: 1, dim: 2, good: 3}
	slices.SortStableFunc(all, func(a, b admin.Backend) int {
		x, y := of(&a), of(&b)
		switch by {
		case "open":
			return cmp.Compare(y.Connections, x.Connections)
		case "bytes":
			return cmp.Compare(y.Up+y.Down, x.Up+x.Down)
		case "new":
			return cmp.Compare(y.Opened, x.Opened)
		case "state":
			_, i := stateOf(&a)
			_, j := stateOf(&b)
			return cmp.Compare(state[i], state[j])
		}
		return 0
	})
	return all
}

// connRows are the connections; rates are what each moves a second.
func connRows(all []admin.Connection, rates map[string]float64) (rows []row) {
	for _, c := range all {
		backend, now := c.Backend, ""
		if backend == "" {
			backend = "-"
		}
		if r, known := rates[c.ID]; known {
			now = speed(r)
		}
		rows = append(rows, row{conn: &c, cells: []string{c.Client, c.Listener, c.Pool + "/" + backend, c.Phase,
			span(seconds(c.AgeSeconds)), span(seconds(c.IdleSeconds)), Bytes(c.BytesUp), Bytes(c.BytesDown), now}})
	}
	return rows
}

func transitionRows(m *model) (rows []row) {
	looks := map[string]style{"up": good, "down": bad}
	for _, t := range m.whole.Transitions {
		rows = append(rows, row{styles: map[int]style{2: looks[t.To]}, cells: []string{t.Time.Local().Format("2006-01-02 15:04:05"), t.Pool + "/" + t.Backend,
			t.To, fmt.Sprintf("%s for %s", t.From, span(seconds(t.AfterSeconds))), t.Reason}})
	}
	return rows
}
