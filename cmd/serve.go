package cmd

import (
	"context"
	"io"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/admin"
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
	config         *config.Config // what load has returned already; may be nil
	stdout, stderr io.Writer
	passed         passed
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
	admin    *admin.Server
	store    *state.Store
	tallies  *admin.Tallies
	recalled []admin.Transition   // of the process before
	life     *lifeline            // nil: it does not survive its crashes
	idle     []string             // names of passed sockets that nobody accepts from; of who reloads
	follow   func(*config.Config) // watches its files, if it asks for that
	began    time.Time

	reloading sync.Mutex // one reload at a time
	upgrading atomic.Bool
}

// serve runs a balancer until a signal ends it. life is nil for one that does
// not survive its crashes. The orders are made before anything else: the default
// action of a signal is not for us, and for PID 1 there is none.
func serve(o serveOptions, life *lifeline, orders *orders) error {
	defer orders.end()
	// A log whose reader is gone raises it, and sees EPIPE as well.
	signal.Ignore(syscall.SIGPIPE)

	start := o.open(life.loader(o), orders.stop)
	if start.logs == nil {
		return start.err
	}
	defer start.logs.close()
	p := newProcess(o, life, start)
	keep, err := p.restore(start.config.Runtime.StateDir)
	if err != nil {
		return err
	}
	prober, passive := health.New(p.store, p.log.Named("health")), health.NewPassive(p.store, p.log.Named("health"))
	notices := newNotices(p.log)
	defer notices.close()
	p.tallies = p.tally()
	if err := p.open(prober, passive, notices); err != nil {
		return err
	}
	prober.Told, passive.Told = p.told, p.toldEjected
	p.admin = admin.New(admin.Options{Process: answers{p}, Data: p.data, Config: p.config.Load, Store: p.store, Keep: keep, Tallies: p.tallies, Log: p.log.Named("admin")})
	p.admin.Recall(p.recalled)
	first := life.first()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.follow = p.watcher(ctx)
	p.reloading.Lock() // the API is there before its files are watched
	missed, err := p.begin()
	if err != nil {
		p.data.Shutdown(context.Background(), 0)
		return err
	}
	defer p.admin.Close()
	p.follow(start.config)
	p.reloading.Unlock()
	if first {
		p.logStart()
		p.warnOfIdle(o.passed.unused(start.config))
	}
	p.warnOfAdmin(missed)
	p.announce(saysReady)
	var running sync.WaitGroup
	probing, quiet := context.WithCancel(ctx)
	defer quiet()
	running.Go(func() { p.control.Run(probing) })
	running.Go(func() { prober.Run(probing) })
	running.Go(func() { passive.Run(probing) })
	running.Go(func() { health.NewAgents(p.store, p.log.Named("health")).Run(probing) })
	running.Go(func() { p.attend(ctx, orders) })
	running.Go(func() { p.admin.Run(ctx) })
	running.Go(func() { p.logs.logLong(ctx, p.data.Conns) })
	running.Go(func() { p.beat(ctx) })
	if life != nil {
		running.Go(func() { p.remember(probing) })
	}
	if o.started != nil {
		o.started(started{p.data})
	}
	p.work(orders, quiet)
	cancel()
	await(&running)
	return nil
}

func newProcess(o serveOptions, life *lifeline, start opened) *process {
	p := &process{
		serveOptions: o, life: life, store: state.New(),
		logs: start.logs, log: start.logs.log, atStart: start.config.Runtime, began: time.Now(),
	}
	if life != nil {
		p.began = life.page.Began()
	}
	p.config.Store(start.config)
	p.idle = o.passed.unused(start.config)
	return p
}

// open makes the data plane and gives it its first table. Of a process that has
// taken over nothing is relayed yet.
func (p *process) open(prober *health.Checker, passive *health.Passive, notices *notices) (err error) {
	cfg, access := p.config.Load(), newAccessLog(p.logs)
	options := proxy.Options{
		Workers:        cfg.Runtime.Workers,
		MaxConnections: cfg.Runtime.MaxConnections,
		PipeSize:       cfg.Runtime.PipeSize,
		Record: func(r *proxy.Record) {
			judge(passive, r)
			p.tallies.Record(r)
			access.take(r)
		},
		Begun:  access.begun,
		Notice: notices.take,
		ConnectFailed: func(pool, backend string, inARow uint32, err error) {
			p.tallies.ConnectFailed(pool, backend)
			prober.ConnectFailed(pool, backend, inARow, err)
			passive.ConnectFailed(pool, backend, inARow, err)
		},
	}
	if p.life != nil {
		options.Keep, options.Past, options.Inherited = true, p.life.past, p.life.inherited
	}
	if p.data, err = proxy.New(options); err != nil {
		return err
	}
	p.data.TellBegun(p.logs.access.Load().begins())
	if p.life != nil {
		p.tallies.KeepBy(func(text []byte) { p.saveBlob(talliesBlob, text) })
	}
	// A worker that waits for events keeps its P for a while: without one more,
	// everything else would have to interrupt it.
	runtime.GOMAXPROCS(p.data.Workers() + 1)
	p.control = control.New(p.store, p.data, p.log.Named("control"))
	if _, err = p.control.Reload(cfg); err != nil {
		p.data.Shutdown(context.Background(), 0)
		return err
	}
	p.saveConfig(cfg)
	return nil
}

// begin lets clients in and opens the admin API. A process that takes over does
// not fail for want of the API: connections are worth more.
func (p *process) begin() (missed, err error) {
	first := p.life.first()
	if !first {
		if err := p.takeOver(); err != nil {
			return nil, err
		}
	}
	doors, err := p.admin.Prepare(p.config.Load().Admin)
	switch {
	case err == nil:
		missed = doors.Commit()
	case first:
		return nil, err
	default:
		p.log.Error("no admin API; a reload tries again", zap.Error(err))
	}
	if first {
		return missed, p.takeOver()
	}
	return missed, nil
}

// told passes a transition on to those who ask for the history.
func (p *process) told(t health.Transition) {
	p.admin.Transition(admin.Transition{
		Time: t.Time, Pool: t.Pool, Backend: t.Backend, From: t.From.String(), To: t.To.String(),
		Reason: t.Reason, By: t.By, AfterSeconds: t.After.Seconds(),
	})
}

// toldEjected does the same of an ejection.
func (p *process) toldEjected(e health.Ejected) {
	t := admin.Transition{Time: e.Since, Pool: e.Pool, Backend: e.Backend, From: "in", To: "ejected", Reason: e.Reason, By: "clients"}
	if !e.Out {
		t.Time = time.Now()
		t.From, t.To, t.Reason, t.AfterSeconds = t.To, t.From, "its time is over", t.Time.Sub(e.Since).Seconds()
	}
	p.admin.Transition(t)
}

// restore puts into the store what the process before knew, or else what was kept
// in dir, and returns what keeps it.
func (p *process) restore(dir string) (*admin.Keep, error) {
	keep, err := admin.NewKeep(dir)
	if err != nil {
		return nil, err
	}
	if !p.life.first() {
		switch known, err := p.life.restore(p.store); {
		case err != nil:
			p.log.Error("what the process before knew of backends is lost", zap.Error(err))
		case known != nil:
			p.recalled = known.Transitions
			return keep, nil
		default:
			p.log.Info("the process before had not yet kept what it knew of backends")
		}
	}
	switch n, err := keep.Restore(p.store); {
	case err != nil:
		p.log.Error("orders of before are not in force", zap.Error(err))
	case n > 0:
		p.log.Info("orders of before are in force again", zap.Int("overrides", n))
	}
	return keep, nil
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
