package cmd

import (
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/proxy"
)

// accessRule is which connections are logged.
type accessRule struct {
	mode   string  // all | errors | off
	sample float64 // share of the clean ones, 0 to 1
}

// wants reports whether a connection that ended with c is logged. draw is a
// number in [0, 1): a sample of 1 takes all, one of 0 takes none.
func (r *accessRule) wants(c proxy.Cause, draw float64) bool {
	switch {
	case r.mode == "off":
		return false
	case !c.Clean():
		return true
	default:
		return r.mode == "all" && draw < r.sample
	}
}

// accessLog writes one line for each connection that has ended. Its level is
// not the log's: the key access alone decides.
type accessLog struct {
	logs   *logs
	log    *zap.Logger
	fields []zap.Field // reused; take is called by one goroutine
}

func newAccessLog(l *logs) *accessLog {
	return &accessLog{logs: l, log: zap.New(&core{logs: l, any: true})}
}

// take is proxy.Options.Record.
func (a *accessLog) take(r *proxy.Record) {
	if !a.logs.access.Load().wants(r.Cause, rand.Float64()) {
		return
	}
	level := zapcore.InfoLevel
	if r.Cause == proxy.Internal {
		level = zapcore.ErrorLevel
	}
	ce := a.log.Check(level, "connection")
	if ce == nil {
		return
	}
	// The line may be written later than the connection ended.
	ce.Time = r.Accepted.Add(r.Total)
	a.fields = accessFields(a.fields[:0], r)
	ce.Write(a.fields...)
}

// accessFields appends what is logged of r; docs/operations.md explains each.
func accessFields(f []zap.Field, r *proxy.Record) []zap.Field {
	client := "unix"
	if r.Client.IsValid() {
		client = r.Client.String()
	}
	f = append(f,
		zap.String("listener", r.Listener),
		zap.String("client", client),
		zap.String("pool", r.Pool),
		zap.String("backend", r.Backend),
		zap.Uint64("bytes_up", r.Up),
		zap.Uint64("bytes_down", r.Down),
		milliseconds("connect_ms", r.Connect),
		milliseconds("first_byte_ms", r.FirstByte),
		milliseconds("total_ms", r.Total),
		zap.Int("retries", r.Retries),
		zap.String("cause", r.Cause.String()),
		zap.String("code", r.Cause.Code()),
	)
	if r.Errno != 0 {
		f = append(f, zap.String("error", r.Errno.Error()))
	}
	return f
}

// milliseconds is d to the microsecond, or null for a point never reached.
func milliseconds(key string, d time.Duration) zap.Field {
	if d < 0 {
		return zap.Reflect(key, nil)
	}
	return zap.Float64(key, float64(d.Microseconds())/1000)
}
