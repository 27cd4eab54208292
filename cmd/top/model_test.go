package top

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sluice/admin"
	"sluice/internal/testnet"
)

func TestEventsOfAStream(t *testing.T) {
	stream := "retry: 1000\n\nevent: tick\ndata: {\"time\":\"2026-03-01T12:00:01Z\"}\n\nevent: gossip\ndata: x\n\nevent: transition\ndata: {\"pool\":\"web\",\"backend\":\"b1\",\"to\":\"down\"}\n\nevent: tick\ndata: {"
	var m model
	m.snapshot(sample())
	err := events(strings.NewReader(stream), func(e event) error {
		n, err := newsOf(e)
		m.take(n)
		return err
	})
	if err != nil || !m.whole.Time.Equal(noon.Add(time.Second)) || len(m.whole.Transitions) != 2 || m.whole.Transitions[0].To != "down" {
		t.Errorf("%v, at %v, transitions %v", err, m.whole.Time, m.whole.Transitions)
	}
	err = events(strings.NewReader("event: tick\ndata: [\n\n"), func(e event) error { _, err := newsOf(e); return err })
	if err == nil || !strings.Contains(err.Error(), "a tick that is not the expected JSON") {
		t.Errorf("got %v", err)
	}
}

func TestTickChangesWhatItNames(t *testing.T) {
	var m model
	m.take(news{tick: &admin.Tick{NotReady: "x"}}) // before there is anything to change
	m.take(news{transition: &admin.Transition{}})
	m.snapshot(sample())
	b := m.whole.Pools[1].Backends[1]
	b.Status, b.Place, b.Why = "up", "serving", "up"
	m.tick(admin.Tick{
		Time: noon.Add(time.Second), NotReady: "stopping", ReadOnly: true, Accepted: 9,
		Rates:     []admin.Rate{{Pool: "web", Backend: "b2", Connections: 1, Down: 10}},
		Listeners: []admin.Listener{{Name: "edge"}, {Name: "new"}}, Backends: []admin.Backend{b, {Pool: "none", Name: "b1"}},
		Handovers: []admin.Handover{{Number: 1}, {Number: 2}},
		Step:      true, Points: []admin.Rate{{Pool: "web", Backend: "b2", Up: 3, Down: 4}},
	})
	s := &m.whole.Status
	if s.Ready || s.NotReady != "stopping" || !s.ReadOnly || s.Accepted != 9 || len(s.Handovers) != 2 {
		t.Errorf("status %+v", s)
	}
	if m.whole.Listeners[0].Paused || len(m.whole.Listeners) != 2 || m.whole.Pools[1].Backends[1] != b {
		t.Errorf("listeners %v, backend %+v", m.whole.Listeners, m.whole.Pools[1].Backends[1])
	}
	if got := m.traces[subject{pool: "web", backend: "b2"}]; len(got) != 1 || got[0] != 7 {
		t.Errorf("the trace of b2 is %v, want [7]", got)
	}
	if got := m.traces[subject{pool: "web", backend: "b1"}]; len(got) != 5 || got[4] != 0 {
		t.Errorf("the trace of b1 is %v, want a 0 at its end", got)
	}
	for range 100 {
		m.step(nil)
		m.transition(admin.Transition{})
		m.transition(admin.Transition{})
	}
	if got := len(m.traces[subject{pool: "web", backend: "b1"}]); got != traceSteps || len(m.whole.Transitions) != mostTransitions {
		t.Errorf("%d steps, %d transitions", got, len(m.whole.Transitions))
	}
}

func TestDocumentLeavesNothingOut(t *testing.T) {
	var m model
	m.snapshot(sample())
	text, err := json.Marshal(m.document([]admin.Transition{{To: "up"}}))
	testnet.Must(t, "document", err)
	var d document
	testnet.Must(t, "document", json.Unmarshal(text, &d))
	if len(d.Rates) != 1+2+2+7 || d.Rates[0].Connections != 12 || d.Rates[2].Listener != "web" || d.Rates[3].Pool != "api" || d.Rates[3].Backend != "" {
		t.Errorf("rates %+v", d.Rates)
	}
	if len(d.Listeners) != 2 || d.Listeners[1].Connections != 12 || len(d.Backends) != 7 || d.Backends[4].Connections != 8 {
		t.Errorf("listeners %+v, backends %+v", d.Listeners, d.Backends)
	}
	if len(d.Transitions) != 1 || len(d.Handovers) != 1 || strings.Contains(string(text), "null") {
		t.Errorf("got %s", text)
	}
}
