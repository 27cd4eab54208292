package top

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/admin"
)

// Balancer is a running process, as top asks it. Its methods may be called by
// several goroutines at a time.
type Balancer interface {
	// Ask sends a request; body and into may be nil.
	Ask(ctx context.Context, method, path string, body, into any) error
	// Events opens the stream of events, which ends at the latest with ctx.
	Events(ctx context.Context) (io.ReadCloser, error)
}

const (
	// silentFor is how long nothing may come of a stream that tells something
	// each second.
	silentFor = 10 * time.Second
	// again is how long to wait before a stream that was lost is asked for again.
	again = 500 * time.Millisecond
)

// event is one of a stream.
type event struct{ name, data string }

// longestEvent is a snapshot of some hundred thousand backends.
const longestEvent = 64 << 20

// events calls f with each event of a stream, to its end.
func events(r io.Reader, f func(event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), longestEvent)
	var e event
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "":
			if e.name != "" {
				if err := f(e); err != nil {
					return err
				}
			}
			e = event{}
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data = line[len("data: "):]
		}
	}
	return lines.Err()
}

// news is what an event has told: one of these. An event of a later version is
// none.
type news struct {
	snapshot   *admin.Snapshot
	tick       *admin.Tick
	transition *admin.Transition
}

func newsOf(e event) (n news, err error) {
	switch e.name {
	case "snapshot":
		err = json.Unmarshal([]byte(e.data), &n.snapshot)
	case "tick":
		err = json.Unmarshal([]byte(e.data), &n.tick)
	case "transition":
		err = json.Unmarshal([]byte(e.data), &n.transition)
	}
	if err != nil {
		err = fmt.Errorf("the stream of events has a %s that is not the expected JSON: %w", e.name, err)
	}
	return n, err
}

// take puts news into the model.
func (m *model) take(n news) {
	switch {
	case n.snapshot != nil:
		m.snapshot(*n.snapshot)
	case n.tick != nil && m.known:
		m.tick(*n.tick)
	case n.transition != nil && m.known:
		m.transition(*n.transition)
	}
}

// follow calls hear with all that a stream tells, and returns why it has ended.
func follow(ctx context.Context, from Balancer, hear func(news)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A process that hangs may not even answer.
	silence := time.AfterFunc(silentFor, func() { cancel(fmt.Errorf("nothing came for %v", silentFor)) })
	defer silence.Stop()
	stream, err := from.Events(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	defer stream.Close()
	err = events(stream, func(e event) error {
		silence.Reset(silentFor)
		n, err := newsOf(e)
		if err == nil {
			hear(n)
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the process has ended the stream")
	}
	return err
}
