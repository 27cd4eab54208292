package cmd

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/control"
	"sluice/health"
	"sluice/proxy"
	"sluice/state"
)

// serveOptions say what to serve and where to write.
type serveOptions struct {
	path           string // of the configuration
	stdout, stderr io.Writer
	started        func(started) // called once clients can come in; may be nil
	hangup         func() bool   // HUP means to stop, not to reload; may be nil
}

// started is what can be asked of a process that accepts clients.
type started struct{ data *proxy.Server }

// bound is where a listener accepts, as one word.
func (s started) bound(listener string) string { return joinAddresses(s.data.Bound(listener)) }

// process is a running balancer. Its methods belong to the goroutine of serve.
//
//	starting --reload worked--> serving --TERM, INT--> draining --> stopped
//	    |                        |   ^                    |
//	  failed                    HUP, USR1         a second TERM or INT
//	                                              resets what is left
type process struct {
	serveOptions
	logs    *logs
	log     *zap.Logger
	config  *config.Config // in force
	atStart config.Runtime
	control *control.Control
	data    *proxy.Server
	began   time.Time
}

// serve runs a balancer until a signal ends it.
func serve(o serveOptions) error {
	// Before anything else: the default action of a signal is not for us, and
	// for PID 1 there is none.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	// A splice into a socket that the other side has reset raises it, and so
	// does a log whose reader is gone; both see EPIPE as well.
	signal.Ignore(syscall.SIGPIPE)

	cfg, err := config.Load(o.path, os.LookupEnv)
	if err != nil {
		return err
	}
	logs, err := newLogs(cfg.Log, o.stdout, o.stderr)
	if err != nil {
		return err
	}
	defer logs.close()

	p := &process{serveOptions: o, logs: logs, log: logs.log, config: cfg, atStart: cfg.Runtime, began: time.Now()}
	store := state.New()
	prober := health.New(store, p.log.Named("health"))
	notices := newNotices(p.log)
	defer notices.close()
	p.data, err = proxy.New(proxy.Options{
		Workers:        cfg.Runtime.Workers,
		MaxConnections: cfg.Runtime.MaxConnections,
		PipeSize:       cfg.Runtime.PipeSize,
		Record:         newAccessLog(logs).take,
		Notice:         notices.take,
		ConnectFailed:  prober.ConnectFailed,
	})
	if err != nil {
		return err
	}
	p.control = control.New(store, p.data, p.log.Named("control"))

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	if _, err := p.control.Reload(cfg); err != nil {
		p.data.Shutdown(ctx, 0)
		return err
	}
	p.logStart()
	running.Go(func() { p.control.Run(ctx) })
	running.Go(func() { prober.Run(ctx) })
	if o.started != nil {
		o.started(started{p.data})
	}
	p.work(signals, func() {
		cancel()
		running.Wait()
	})
	return nil
}

// work obeys signals until the process has stopped. quiet ends the probes and
// the tables that follow from them: who gets no new clients needs neither.
func (p *process) work(signals <-chan os.Signal, quiet func()) {
	draining, resetNow := context.WithCancel(context.Background())
	defer resetNow()
	var stopped chan int // nil until draining; then gets the number of connections reset
	for {
		select {
		case n := <-stopped:
			p.logStop(n)
			return
		case s := <-signals:
			if s == syscall.SIGHUP && p.hangup != nil && p.hangup() {
				s = syscall.SIGTERM
			}
			switch s {
			case syscall.SIGUSR1:
				p.reopen()
			case syscall.SIGHUP:
				if stopped != nil {
					p.log.Warn("reload ignored: the process is stopping")
					continue
				}
				p.reload()
			case syscall.SIGTERM, syscall.SIGINT:
				if stopped != nil {
					p.log.Warn("resetting what is left", zap.Stringer("signal", s))
					resetNow()
					continue
				}
				stopped = make(chan int, 1)
				grace := p.config.Runtime.ShutdownGrace
				p.log.Info("stopping: no new clients",
					zap.Stringer("signal", s),
					zap.Int64("connections", p.data.Stats().Active),
					zap.Stringer("grace", grace))
				quiet()
				go func() { stopped <- p.data.Shutdown(draining, grace) }()
			}
		}
	}
}

// reload puts the file's present content in force, all of it or nothing.
func (p *process) reload() {
	refuse := func(err error) {
		lines := faultLines(err)
		for _, line := range lines {
			p.log.Error("reload: " + line)
		}
		p.log.Error("reload refused: nothing has changed", zap.Int("faults", len(lines)))
	}
	cfg, err := config.Load(p.path, os.LookupEnv)
	if err != nil {
		refuse(err)
		return
	}
	commit, drop, err := p.logs.prepare(cfg.Log)
	if err != nil {
		refuse(err)
		return
	}
	plan, err := p.control.Reload(cfg)
	if err != nil {
		drop()
		refuse(err)
		return
	}
	commit()
	for _, key := range fixedKeys(p.atStart, cfg.Runtime) {
		p.log.Warn("reload: runtime." + key + " is not what this process was started with and takes effect at the next start")
	}
	p.config = cfg
	p.log.Info("reloaded", append([]zap.Field{
		zap.String("config", p.path),
		zap.Stringer("changes", plan),
	}, p.describe()...)...)
}

// fixedKeys names what differs of that which is fixed for the life of a process.
func fixedKeys(before, after config.Runtime) []string {
	var keys []string
	if before.Workers != after.Workers {
		keys = append(keys, "workers")
	}
	if before.MaxConnections != after.MaxConnections {
		keys = append(keys, "max_connections")
	}
	if before.PipeSize != after.PipeSize {
		keys = append(keys, "pipe_size")
	}
	return keys
}

func (p *process) reopen() {
	if err := p.logs.reopen(); err != nil {
		p.log.Error("log not reopened, the old file stays in use", zap.Error(err))
		return
	}
	p.log.Info("log reopened", zap.String("output", p.config.Log.Output))
}

// faultLines is err with one line for each fault.
func faultLines(err error) []string {
	return strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
}
