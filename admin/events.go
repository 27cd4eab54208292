package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// Snapshot is the first event of a stream, and comes again when listeners,
// pools or backends are others than before: how everything is.
type Snapshot struct {
	Time        time.Time    `json:"time"`
	Status      Status       `json:"status"`
	Token       bool         `json:"token"` // changes over TCP need the token
	Listeners   []Listener   `json:"listeners"`
	Pools       []Pool       `json:"pools"`
	Rates       []Rate       `json:"rates"`       // without those that are all zero
	Traces      []Trace      `json:"traces"`      // without those that are all zero
	Transitions []Transition `json:"transitions"` // the latest, the newest first
}

// Tick is the event of each second: what has changed since the last one.
type Tick struct {
	Time      time.Time  `json:"time"`
	NotReady  string     `json:"not_ready"` // why; "": it is ready
	ReadOnly  bool       `json:"read_only"`
	Token     bool       `json:"token"`
	Accepted  uint64     `json:"accepted"`
	Rates     []Rate     `json:"rates"`
	Listeners []Listener `json:"listeners"`
	Backends  []Backend  `json:"backends"`
	Handovers []Handover `json:"handovers,omitempty"` // all of them, when one is new or has another outcome
	Step      bool       `json:"step"`                // five seconds are over: points is what goes on every trace
	Points    []Rate     `json:"points"`              // who is not named has zeros
}

// The names of the events.
const (
	eventSnapshot   = "snapshot"
	eventTick       = "tick"
	eventTransition = "transition"
)

// writeEvent appends an event of a stream (HTML, 9.2 server-sent events).
func writeEvent(to *bytes.Buffer, name string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		return // none of these types can fail
	}
	to.WriteString("event: ")
	to.WriteString(name)
	to.WriteString("\ndata: ")
	to.Write(text)
	to.WriteString("\n\n")
}

const (
	// watchWithin is how long one write to a watcher may take.
	watchWithin = 5 * time.Second
	// comeBackAfter is when a browser whose stream has ended asks again, in ms.
	comeBackAfter = "retry: 1000\n\n"
)

// events streams to one watcher until it leaves, is too slow, or the server
// ends.
func (s *Server) events(w http.ResponseWriter, q *http.Request) error {
	me, err := s.feed.join()
	if err != nil {
		return err
	}
	defer s.feed.leave(me)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // of an nginx in between
	out := http.NewResponseController(w)
	write := func(text []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(watchWithin))
		_, err := w.Write(text)
		return err == nil && out.Flush() == nil
	}
	if !write([]byte(comeBackAfter)) {
		return nil
	}
	for {
		select {
		case text, more := <-me.told:
			if !more || !write(text) {
				return nil
			}
		case <-q.Context().Done():
			return nil
		}
	}
}
