package health

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/state"
)

// A process that probes 10,000 backends every 2 s, on one real listener of the
// same process: its CPU time, the kernel's for both ends included, as a share
// of one CPU. The first 2 s, when all verdicts are new, are left out.
func BenchmarkTenThousandBackends(b *testing.B) {
	for _, tt := range []struct {
		name   string
		probes map[string]func(config.Health) probe
	}{
		{"tcp", probes},
		{"none_but_the_schedule", map[string]func(config.Health) probe{"tcp": func(config.Health) probe {
			return func(context.Context, config.Address, time.Duration) error { return nil }
		}}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			cfg := web(10_000)
			p := &cfg.Pools[0]
			p.Health.FastInterval, p.Health.DownInterval, p.Health.Jitter = p.Health.Interval, p.Health.Interval, 0.1
			for i := range p.Backends {
				p.Backends[i].Address = config.Address{TCP: l.Addr().(*net.TCPAddr).AddrPort()}
			}
			store := state.New()
			c := store.Change()
			c.SetConfig(cfg)
			c.Commit()
			checker := New(store, zap.NewNop())
			checker.probes = tt.probes
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() { checker.Run(ctx); close(done) }()
			time.Sleep(2 * time.Second)
			for b.Loop() {
				began, before := time.Now(), cpuTime()
				time.Sleep(2 * time.Second)
				b.ReportMetric(100*float64(cpuTime()-before)/float64(time.Since(began)), "%CPU")
			}
			cancel()
			<-done
		})
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
