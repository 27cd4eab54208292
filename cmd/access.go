package cmd

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/proxy"
)

// accessRule is which connections are logged.
type accessRule struct {
	mode   string  // all | errors | off
	sample float64 // share of the clean ones, 0 to 1
	start  bool    // a line when one begins, too
	every  time.Duration
}

// begins reports whether a connection that begins is logged, and lasts how often
// one that lives is; 0: never. Neither is sampled.
func (r *accessRule) begins() bool { return r.start && r.mode == "all" }

func (r *accessRule) lasts() time.Duration {
	if r.mode != "all" {
		return 0
	}
	return r.every
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

// begun is proxy.Options.Begun.
func (a *accessLog) begun(r *proxy.Record) {
	if !a.logs.access.Load().begins() {
		return
	}
	if ce := a.log.Check(zapcore.InfoLevel, "connection begun"); ce != nil {
		ce.Time = r.Accepted.Add(r.Total)
		a.fields = append(whose(a.fields[:0], r),
			zap.String("pool", r.Pool),
			zap.String("backend", r.Backend),
			milliseconds("connect_ms", r.Connect),
			milliseconds("total_ms", r.Total),
			zap.Int("retries", r.Retries),
		)
		ce.Write(a.fields...)
	}
}

// whose appends where a connection came in, whose it is and which way it took.
func whose(f []zap.Field, r *proxy.Record) []zap.Field {
	f = append(f,
		zap.String("listener", r.Listener),
		zap.String("client", nameOf(r.Client)),
	)
	if r.Peer.IsValid() {
		f = append(f, zap.String("peer", r.Peer.String()))
	}
	if r.SNI != "" {
		f = append(f, zap.String("sni", r.SNI))
	}
	if r.Routed {
		f = append(f, zap.Int("route", r.Route))
	}
	return f
}

// accessFields appends what is logged of r; docs/operations.md explains each.
func accessFields(f []zap.Field, r *proxy.Record) []zap.Field {
	f = whose(f, r)
	f = append(f,
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
	if r.Queued > 0 {
		f = append(f, milliseconds("queued_ms", r.Queued))
	}
	if r.FellBack {
		f = append(f, zap.Bool("fallback", true))
	}
	if r.More > 0 {
		f = append(f, zap.Uint64("times", 1+r.More))
	}
	if r.Errno != 0 {
		f = append(f, zap.String("error", r.Errno.Error()))
	}
	return f
}

// nameOf is the address of a client, or unix.
func nameOf(a netip.AddrPort) string {
	if !a.IsValid() {
		return "unix"
	}
	return a.String()
}

// milliseconds is d to the microsecond, or null for a point never reached.
func milliseconds(key string, d time.Duration) zap.Field {
	if d < 0 {
		return zap.Reflect(key, nil)
	}
	return zap.Float64(key, float64(d.Microseconds())/1000)
}
