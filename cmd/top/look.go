package top

import (
	"context"
	"fmt"
	"time"

	"sluice/admin"
)

const (
	lookEvery = 3 * redrawEvery / 2 // at every second redraw, as the dashboard does
	mostConns = 500
)

// look is what is remembered between two looks at the connections.
type look struct {
	asking bool
	sorted string    // by what it was asked
	at     time.Time // of the latest answer
	moved  map[string]uint64
}

// look asks for the connections if they are shown and it is time, or if they are
// wanted in another order.
func (l *loop) look() {
	by := l.sortName()
	if l.page != connections || l.looking.asking || l.looking.sorted == by && time.Since(l.looking.at) < lookEvery {
		return
	}
	l.looking.asking, l.looking.sorted = true, by
	l.start(func() {
		ctx, cancel := context.WithTimeout(l.ctx, askWithin)
		defer cancel()
		var answer admin.Connections
		err := l.from.Ask(ctx, "GET", fmt.Sprintf("/v1/connections?sort=%s&limit=%d", by, mostConns), nil, &answer)
		l.post(func() {
			l.looking.asking = false
			if err != nil {
				// A rate over an answer that did not come would be a false peak.
				l.about, l.looking.at, l.looking.moved = err.Error(), time.Now(), nil
				return
			}
			l.seen(answer, time.Now())
			l.look() // another order may be wanted by now
		})
	})
}

// seen shows connections, and what each has moved since the answer before.
func (l *loop) seen(answer admin.Connections, now time.Time) {
	over := now.Sub(l.looking.at).Seconds()
	moved, rates := make(map[string]uint64), make(map[string]float64)
	for _, c := range answer.Connections {
		moved[c.ID] = c.BytesUp + c.BytesDown
		if was, known := l.looking.moved[c.ID]; known {
			rates[c.ID] = (float64(moved[c.ID]) - float64(was)) / over
		}
	}
	l.looking.at, l.looking.moved = now, moved
	l.conns = connRows(answer.Connections, rates)
	l.about = fmt.Sprintf("%d of %d", len(answer.Connections), answer.Matching)
}
