package health

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/state"
)

// A process that probes 10,000 backends every 2 s, on one real listener of the
// same process, each by an address of its own: its CPU time, the kernel's for both ends included, as a share
// of one CPU. The first 2 s, when all verdicts are new, are left out.
func BenchmarkTenThousandBackends(b *testing.B) {
	for _, tt := range []struct{ name, asks string }{{"tcp", "tcp"}, {"none_but_the_schedule", "fake"}} {
		b.Run(tt.name, func(b *testing.B) {
			l, err := net.Listen("tcp4", "0.0.0.0:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			cfg := web(10_000)
			p := &cfg.Pools[0]
			p.Health.Type = tt.asks
			p.Health.FastInterval, p.Health.DownInterval, p.Health.Jitter = p.Health.Interval, p.Health.Interval, 0.1
			for i := range p.Backends {
				ip := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
				p.Backends[i].Address = config.Address{TCP: netip.AddrPortFrom(ip, uint16(l.Addr().(*net.TCPAddr).Port))}
			}
			store := state.New()
			c := store.Change()
			c.SetConfig(cfg)
			c.Commit()
			checker := New(store, zap.NewNop())
			checker.probes = map[string]func(config.Health) probe{"tcp": newTCP, "fake": func(config.Health) probe {
				return func(context.Context, config.Address, time.Duration) error { return nil }
			}}
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
