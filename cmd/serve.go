package cmd

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/control"
	"sluice/health"
	"sluice/proxy"
	"sluice/state"
)

// leaveAfter is how long a process that has stopped waits for what is left of
// its work: only a disk that does not answer holds that up.
const leaveAfter = time.Second

// serveOptions say what to serve and where to write.
type serveOptions struct {
	path           string // of the configuration
	load           func(path string) (*config.Config, error)
	stdout, stderr io.Writer
	started        func(started) // called once clients can come in; may be nil
	hangup         func() bool   // HUP means to stop, not to reload; may be nil
}

// started is what can be asked of a process that accepts clients.
type started struct{ data *proxy.Server }

// bound is where a listener accepts, as one word.
func (s started) bound(listener string) string { return joinAddresses(s.data.Bound(listener)) }

// process is a running balancer:
//
//	starting --reload worked--> serving --TERM, INT--> draining --> stopped
//	    |                        |   ^                    |
//	  failed                    HUP, USR1         a second TERM or INT
//	                                              resets what is left
//
// One goroutine waits for the order to stop (work), one does what is about
// files: HUP and USR1 (attend).
type process struct {
	serveOptions
	logs     *logs
	log      *zap.Logger
	config   atomic.Pointer[config.Config] // in force
	stopping atomic.Bool
	atStart  config.Runtime
	control  *control.Control
	data     *proxy.Server
	began    time.Time
}

// serve runs a balancer until a signal ends it.
func serve(o serveOptions) error {
	// Before anything else: the default action of a signal is not for us, and
	// for PID 1 there is none.
	orders := newOrders()
	defer orders.end()
	// A log whose reader is gone raises it, and sees EPIPE as well.
	signal.Ignore(syscall.SIGPIPE)

	start := o.open(orders.stop)
	if start.logs == nil {
		return start.err
	}
	cfg, logs := start.config, start.logs
	defer logs.close()

	p := &process{serveOptions: o, logs: logs, log: logs.log, atStart: cfg.Runtime, began: time.Now()}
	p.config.Store(cfg)
	store := state.New()
	prober := health.New(store, p.log.Named("health"))
	notices := newNotices(p.log)
	defer notices.close()
	var err error
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
	defer cancel()
	if _, err := p.control.Reload(cfg); err != nil {
		p.data.Shutdown(ctx, 0)
		return err
	}
	p.logStart()
	var running sync.WaitGroup
	probing, quiet := context.WithCancel(ctx)
	defer quiet()
	running.Go(func() { p.control.Run(probing) })
	running.Go(func() { prober.Run(probing) })
	running.Go(func() { p.attend(ctx, orders) })
	if o.started != nil {
		o.started(started{p.data})
	}
	p.work(orders, quiet)
	cancel()
	await(&running)
	return nil
}

// opened is what a start reads and opens.
type opened struct {
	config *config.Config
	logs   *logs
	err    error
}

// open reads the configuration and opens its log. All of it is nil when the
// order to stop came first: a disk is not waited for then.
func (o serveOptions) open(stop <-chan os.Signal) opened {
	done := make(chan opened, 1)
	go func() {
		cfg, err := o.load(o.path)
		if err != nil {
			done <- opened{err: err}
			return
		}
		logs, err := newLogs(cfg.Log, o.stdout, o.stderr)
		done <- opened{cfg, logs, err}
	}()
	select {
	case o := <-done:
		return o
	case <-stop:
		return opened{}
	}
}

// await waits until all of running has ended, but no longer than leaveAfter.
func await(running *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	late := time.NewTimer(leaveAfter)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
	}
}
