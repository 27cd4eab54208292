package cmd

import (
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/internal/sys"
	"sluice/proxy"
)

// describe says what is served.
func (p *process) describe() []zap.Field {
	cfg := p.config.Load()
	bound := make(map[string]string, len(cfg.Listeners))
	for _, l := range cfg.Listeners {
		bound[l.Name] = joinAddresses(p.data.Bound(l.Name))
	}
	return []zap.Field{
		zap.Any("listeners", bound),
		zap.Int("pools", len(cfg.Pools)),
		zap.Int("backends", countBackends(cfg)),
		zap.Strings("admin", p.admin.Addresses()),
	}
}

func (p *process) logStart() {
	b := thisBuild()
	fields := []zap.Field{
		zap.String("version", b.version),
		zap.String("commit", b.commit),
		zap.Int("pid", p.mainPID()),
		zap.Int("worker_pid", os.Getpid()),
		zap.String("config", p.path),
		zap.Int("workers", p.data.Workers()),
		zap.Int("max_connections", p.data.MaxConnections()),
	}
	descriptors, err := sys.DescriptorLimit()
	if err == nil {
		fields = append(fields, zap.Int("descriptor_limit", descriptors))
	}
	p.log.Info("started", append(fields, p.describe()...)...)
	if err == nil {
		warnOfLimit(p.log, p.config.Load().Runtime.MaxConnections, p.data.MaxConnections(), descriptors)
	}
}

func (p *process) logStop(reset int) {
	s := p.data.Stats()
	var closed []zap.Field
	for _, c := range causesOf(s.Closed) {
		closed = append(closed, zap.Uint64(c.String(), s.Closed[c]))
	}
	p.log.Info("stopped",
		zap.Int("reset", reset),
		zap.Uint64("accepted", s.Accepted),
		zap.Dict("closed", closed...),
		zap.Uint64("bytes_up", s.BytesUp),
		zap.Uint64("bytes_down", s.BytesDown),
		zap.Uint64("retries", s.Retries),
		zap.Uint64("paused", s.Paused),
		zap.Uint64("accept_failed", s.AcceptFails),
		zap.Uint64("connect_failed", s.ConnectFails),
		zap.Uint64("fills_without_pipe", s.PipeFails),
		zap.Uint64("splice_refused", s.SpliceRefused),
		zap.Uint64("urgent_lost", s.UrgentLost),
		zap.Uint64("proxy_headers", s.ProxyHeaders),
		zap.Uint64("tlvs_dropped", s.TLVsDropped),
		zap.Uint64("not_tls", s.NotTLS),
		zap.Uint64("no_sni", s.NoName),
		zap.Uint64("multipath", s.Multipath),
		zap.Uint64("records_dropped", s.Dropped),
		zap.Stringer("uptime", time.Since(p.began).Round(time.Millisecond)))
}

// causesOf lists the causes that occurred, in their order.
func causesOf(closed map[proxy.Cause]uint64) []proxy.Cause {
	var causes []proxy.Cause
	for c := range closed {
		if closed[c] > 0 {
			causes = append(causes, c)
		}
	}
	slices.Sort(causes)
	return causes
}

func joinAddresses(addresses []proxy.Address) string {
	var words []string
	for _, a := range addresses {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

func countBackends(c *config.Config) int {
	n := 0
	for _, p := range c.Pools {
		n += len(p.Backends)
	}
	return n
}
