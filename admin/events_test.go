package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
	"sluice/proxy"
)

// stream is an open /v1/events.
type stream struct {
	t    *testing.T
	in   *bufio.Scanner
	body interface{ Close() error }
}

// running runs a server's feed until the test ends, or end is called.
func running(t *testing.T, s *Server) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	end = func() { cancel(); <-done }
	t.Cleanup(end)
	return end
}

func watch(t *testing.T, at string) *stream {
	t.Helper()
	to := &http.Transport{DisableKeepAlives: true}
	r, err := (&http.Client{Transport: to, Timeout: 30 * time.Second}).Get("http://" + at + "/v1/events")
	testnet.Must(t, "events", err)
	t.Cleanup(func() { r.Body.Close() })
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %v", r.Status, r.Header)
	}
	in := bufio.NewScanner(r.Body)
	in.Buffer(nil, 1<<22)
	return &stream{t, in, r.Body}
}

// next is the next event; "" at the end of the stream.
func (s *stream) next() (name, data string) {
	for s.in.Scan() {
		if v, ok := strings.CutPrefix(s.in.Text(), "event: "); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(s.in.Text(), "data: "); ok {
			return name, v
		}
	}
	return "", ""
}

// until is the next event of a kind for which ok holds.
func until[T any](s *stream, kind string, ok func(T) bool) T {
	s.t.Helper()
	for {
		name, data := s.next()
		if name == "" {
			s.t.Fatalf("the stream ended without the %s: %v", kind, s.in.Err())
		}
		var got T
		if name != kind {
			continue
		}
		testnet.Must(s.t, data, json.Unmarshal([]byte(data), &got))
		if ok(got) {
			return got
		}
	}
}

func TestStreamTellsWhatHappens(t *testing.T) {
	f := &fake{}
	at, _ := compiled(t, f)
	s := watch(t, at) // before the feed runs: a process that has just started has no less to tell
	end := running(t, f.server)
	name, data := s.next()
	var whole Snapshot
	testnet.Must(t, "snapshot", json.Unmarshal([]byte(data), &whole))
	if name != eventSnapshot || len(whole.Pools) != 2 || len(whole.Listeners) != 1 || whole.Status.Accepted != 9 || whole.Token {
		t.Fatalf("%s %+v", name, whole)
	}
	until(s, eventTick, func(Tick) bool { return true })

	f.server.Transition(Transition{Pool: "web", Backend: "b1", To: "down"})
	until(s, eventTransition, func(got Transition) bool { return got.Backend == "b1" && got.To == "down" })

	ask(t, at, "PATCH", backendAt("web", "b1"), `{"mode": "drain"}`)
	until(s, eventTick, func(got Tick) bool {
		return len(got.Backends) == 1 && got.Backends[0].Name == "b1" && got.Backends[0].Mode == "drain" && got.Backends[0].Place == "out"
	})
	f.server.settings.Store(&settings{token: goodToken, readOnly: true})
	until(s, eventTick, func(got Tick) bool { return got.Token && got.ReadOnly })

	c := f.server.store.Change() // a backend is added
	cfg := twoPools()
	one := cfg.Pools[1].Backends[0]
	one.Name = "b9"
	cfg.Pools[1].Backends = append(cfg.Pools[1].Backends, one)
	c.SetConfig(cfg)
	c.Commit()
	until(s, eventSnapshot, func(got Snapshot) bool { return len(got.Pools[0].Backends)+len(got.Pools[1].Backends) == 4 })

	end()
	for name := "x"; name != ""; {
		name, _ = s.next()
	}
	ask(t, at, "GET", "/v1/events", "").refused(t, 503, "no events now", "takes its place")
}

func TestStreamIsAsOpenAPISays(t *testing.T) {
	var file struct {
		Paths      map[string]map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	testnet.Must(t, "openapi.json", json.Unmarshal(openAPIText, &file))
	events, _ := file.Paths["/v1/events"]["get"]["x-events"].(object)
	f := &fake{history: []Handover{{Number: 1}}}
	at, _ := compiled(t, f)
	f.server.Transition(Transition{Pool: "web", Backend: "b1"})
	running(t, f.server)
	s := watch(t, at)
	missing := map[string]bool{eventSnapshot: true, eventTick: true, eventTransition: true}
	for len(missing) > 0 {
		name, data := s.next()
		if name == "" {
			t.Fatalf("the stream ended, %v not seen", missing)
		}
		if name == eventSnapshot {
			f.server.Transition(Transition{Pool: "web", Backend: "b1"})
		}
		schema, _ := events[name].(object)
		if schema == nil {
			t.Fatalf("openapi.json has no event %s", name)
		}
		var v any
		testnet.Must(t, data, json.Unmarshal([]byte(data), &v))
		for _, fault := range conforms(file.Components.Schemas, schema, v, name) {
			t.Error(fault)
		}
		delete(missing, name)
	}
}

func TestOnlySoManyWatch(t *testing.T) {
	f := &fake{}
	at, _ := compiled(t, f)
	running(t, f.server)
	var all []*stream
	for range mostWatchers {
		all = append(all, watch(t, at))
	}
	ask(t, at, "GET", "/v1/events", "").refused(t, 503, "watching already", "close one")
	all[0].body.Close()
	testnet.Eventually(t, 30*time.Second, "room for another", func() bool {
		f.server.feed.mu.Lock()
		defer f.server.feed.mu.Unlock()
		return len(f.server.feed.watchers) == mostWatchers-1
	})
	watch(t, at)
}

func TestSlowWatcherIsDropped(t *testing.T) {
	f := &fake{}
	compiled(t, f)
	feed := f.server.feed
	slow, err := feed.join()
	testnet.Must(t, "join", err)
	for i := range mostUntold + 1 {
		quick, err := feed.join()
		testnet.Must(t, "join", err)
		feed.turn(time.Unix(int64(i), 0))
		if len(quick.told) != 1 {
			t.Fatalf("turn %d: one that has just come was told %d times", i, len(quick.told))
		}
		feed.leave(quick)
	}
	if len(feed.watchers) != 0 {
		t.Errorf("%d watchers left", len(feed.watchers))
	}
	for range slow.told { // what it had, and then the end
	}
	feed.leave(slow)
}

func TestNothingIsAskedWhereNothingHappens(t *testing.T) {
	f := &fake{live: []proxy.Moved{{}}}
	compiled(t, f)
	feed, at := f.server.feed, time.Unix(1000, 0)
	if next := feed.turn(at); next != traceStep || f.asked != 1 {
		t.Errorf("first: look again in %v, %d questions", next, f.asked)
	}
	for i := range 3 {
		at = at.Add(dozeFor)
		if next := feed.turn(at); next != dozeFor || f.asked != 1 {
			t.Errorf("turn %d: look again in %v, %d questions, want none while no worker runs", i, next, f.asked)
		}
	}
	f.server.meter.tallies.Record(sample(nil))
	select {
	case <-feed.wake:
	default:
		t.Error("a connection that has ended wakes nobody")
	}
	f.turns.Store(1)
	if next := feed.turn(at.Add(dozeFor)); next != traceStep || f.asked != 2 {
		t.Errorf("a worker has run: look again in %v, %d questions", next, f.asked)
	}
}

// BenchmarkTickOfAThousandBackends is what a second costs while somebody
// watches, outside the workers.
func BenchmarkTickOfAThousandBackends(b *testing.B) {
	s := aThousand(b)
	w, err := s.feed.join()
	testnet.Must(b, "join", err)
	now := time.Unix(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(watchEvery)
		s.feed.turn(now)
		<-w.told
	}
}
