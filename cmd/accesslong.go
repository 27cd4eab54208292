package cmd

import (
	"context"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/proxy"
)

// Between two looks at all connections, a worker looks at each of its own for
// some 0.1 us.
const (
	looksEach   = 10 // in the time that a connection must live for another line
	lookAtLeast = time.Second
	lookAtMost  = time.Minute
)

// logLong writes a line about each connection that has lived for access_every,
// and another whenever it has lived as long again, until ctx is done. conns asks
// the workers.
func (l *logs) logLong(ctx context.Context, conns func() []proxy.Conn) {
	log := zap.New(&core{logs: l, any: true})
	looked := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		every := l.access.Load().lasts()
		if every > 0 {
			timer.Reset(min(max(every/looksEach, lookAtLeast), lookAtMost))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-l.ruled:
			looked = time.Now()
			continue
		case <-timer.C:
		}
		since := time.Since(looked)
		looked = time.Now()
		for _, c := range conns() {
			if c.Age/every > (c.Age-since)/every {
				writeLong(log, &c)
			}
		}
	}
}

func writeLong(log *zap.Logger, c *proxy.Conn) {
	ce := log.Check(zapcore.InfoLevel, "connection open")
	if ce == nil {
		return
	}
	backend := ""
	if c.Backend != nil {
		backend = c.Backend.Name
	}
	ce.Write(
		zap.String("listener", c.Listener.Name),
		zap.String("client", nameOf(c.Client)),
		zap.String("pool", c.Pool.Name),
		zap.String("backend", backend),
		zap.Uint64("bytes_up", c.Up),
		zap.Uint64("bytes_down", c.Down),
		milliseconds("idle_ms", c.Idle),
		milliseconds("total_ms", c.Age),
		zap.Int("retries", c.Retries),
		zap.String("phase", c.Phase),
		zap.Stringer("id", c.ID),
	)
}
