package top

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"sluice/admin"
)

// question is an order that waits for a yes.
type question struct {
	text string
	do   func(context.Context, Balancer) (said string, err error)
}

// order is the question that a key asks about the chosen row; nil: none.
func (s *state) order(key string, now time.Time) *question {
	rows := s.rows(now)
	at := s.choose(rows)
	if at < 0 {
		return nil
	}
	mode := map[string]string{"d": "drain", "m": "maint", "r": "ready"}[key]
	switch r := &rows[at]; {
	case r.backend != nil && mode != "":
		return orderBackend(r.backend, mode)
	case r.conn != nil && key == "x":
		return killConnection(r.conn)
	}
	return nil
}

var effects = map[string]string{
	"drain": "drain %s? It gets no new connections.",
	"maint": "maintenance for %s? It gets no new connections.",
	"ready": "ready %s? It gets connections again.",
}

func orderBackend(b *admin.Backend, mode string) *question {
	return &question{fmt.Sprintf(effects[mode], b.Pool+"/"+b.Name), func(ctx context.Context, to Balancer) (string, error) {
		var done admin.Ordered
		err := to.Ask(ctx, "PATCH", admin.BackendPath(b.Pool, b.Name), admin.Order{Mode: &mode}, &done)
		said := fmt.Sprintf("%s/%s: %s", b.Pool, b.Name, done.Mode)
		if done.Warning != "" {
			said += "; " + done.Warning
		}
		return said, err
	}}
}

func killConnection(c *admin.Connection) *question {
	return &question{fmt.Sprintf("kill the connection of %s?", c.Client), func(ctx context.Context, to Balancer) (string, error) {
		err := to.Ask(ctx, "DELETE", "/v1/connections/"+url.PathEscape(c.ID), nil, nil)
		return fmt.Sprintf("the connection of %s is killed", c.Client), err
	}}
}
