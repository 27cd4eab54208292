package top

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"sluice/admin"
)

// lostFor is how long a program that reads documents waits for a process that is
// gone; an upgrade takes less than a second.
const lostFor = 30 * time.Second

// Print writes a document for each update, one a line, at most most of them; 0:
// no end. What becomes of the stream meanwhile is said by say.
func Print(ctx context.Context, from Balancer, to io.Writer, most int, say func(string)) error {
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	var (
		m           model
		transitions []admin.Transition
		printed     int
		heard       = time.Now()
		out         = json.NewEncoder(to)
	)
	hear := func(n news) {
		heard = time.Now()
		m.take(n)
		if n.transition != nil {
			transitions = append(transitions, *n.transition)
		}
		if n.snapshot == nil && n.tick == nil || most > 0 && printed == most {
			return
		}
		printed++
		if err := out.Encode(m.document(transitions)); err != nil {
			done(err)
		} else if printed == most {
			done(io.EOF)
		}
		transitions = nil
	}
	for {
		err := follow(ctx, from, hear)
		switch {
		case context.Cause(ctx) == io.EOF:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !m.known || time.Since(heard) > lostFor:
			return err
		}
		say(fmt.Sprintf("%v; asking again", err))
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}
