package cmd

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"sluice/internal/sys"
)

// orders are the signals, a channel for each meaning, so that no burst of one
// keeps another from being heard. A second HUP or USR1 while one waits asks for
// nothing new; a second TERM does.
//
// A worker process gets them from the main process, over the line: a signal to
// all processes of a balancer is one order, and none is lost while one worker
// process takes the other's place.
type orders struct {
	stop    chan os.Signal // TERM, INT
	reload  chan os.Signal // HUP
	reopen  chan os.Signal // USR1
	upgrade chan os.Signal // USR2
	stray   chan os.Signal // sent to a worker process itself
	alone   chan struct{}  // the keeper is dead
	orphan  chan struct{}  // closed when the main process is gone; nil: there is none
	stopped bool           // stop was heard once; of the goroutine that hears the line
}

func newOrders(life *lifeline) *orders {
	o := &orders{
		stop:    make(chan os.Signal, 2),
		reload:  make(chan os.Signal, 1),
		reopen:  make(chan os.Signal, 1),
		upgrade: make(chan os.Signal, 1),
		stray:   make(chan os.Signal, 1),
		alone:   make(chan struct{}, 1),
	}
	if life != nil {
		o.orphan = make(chan struct{})
		signal.Notify(o.stray, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
		go o.hear(life.line.listen())
		return o
	}
	signal.Notify(o.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(o.reload, syscall.SIGHUP)
	signal.Notify(o.reopen, syscall.SIGUSR1)
	signal.Notify(o.upgrade, syscall.SIGUSR2)
	return o
}

// hear passes on what the main process says. When that is gone nobody is left
// who could be told to stop, so it stops.
func (o *orders) hear(words <-chan string) {
	for w := range words {
		o.obey(w)
	}
	close(o.orphan)
	o.pass(syscall.SIGTERM)
}

func (o *orders) obey(words string) {
	if words == saysAlone {
		select {
		case o.alone <- struct{}{}:
		default:
		}
		return
	}
	var n int
	var more string
	if got, _ := fmt.Sscan(words, new(string), &n, &more); got < 2 || more == again && o.stopped {
		return
	}
	o.pass(syscall.Signal(n))
}

func (o *orders) pass(s syscall.Signal) {
	to := map[syscall.Signal]chan os.Signal{
		syscall.SIGTERM: o.stop, syscall.SIGINT: o.stop, syscall.SIGHUP: o.reload,
		syscall.SIGUSR1: o.reopen, syscall.SIGUSR2: o.upgrade,
	}[s]
	o.stopped = o.stopped || to == o.stop
	select {
	case to <- s:
	default:
	}
}

func (o *orders) end() {
	for _, c := range []chan os.Signal{o.stop, o.reload, o.reopen, o.upgrade, o.stray} {
		signal.Stop(c)
	}
}

// work waits for the order to stop and obeys it until the process has stopped.
// It waits for no file. quiet ends the probes and the tables that follow from
// them: who gets no new clients needs neither.
//
//	serving --TERM--> not ready --shutdown_delay--> draining --shutdown_grace--> stopped
//	                      |                             |
//	                      +-- a second TERM, INT -------+--> what is left is reset
func (p *process) work(o *orders, quiet func()) {
	draining, resetNow := context.WithCancel(context.Background())
	defer resetNow()
	stopped := make(chan int, 1) // gets the number of connections reset
	drain := func() {
		quiet()
		go func() { stopped <- p.data.Shutdown(draining, p.config.Load().Runtime.ShutdownGrace) }()
	}
	delay := time.NewTimer(0)
	<-delay.C
	defer delay.Stop()
	for {
		select {
		case n := <-stopped:
			p.logStop(n)
			return
		case <-delay.C:
			p.log.Info("no new clients from here on")
			drain()
		case s := <-o.stop:
			if !p.stopping.Swap(true) {
				p.leave()
				p.logStopping(s)
				if d := p.config.Load().Runtime.ShutdownDelay; d > 0 {
					delay.Reset(d)
				} else {
					drain()
				}
				continue
			}
			p.log.Warn("resetting what is left", zap.Stringer("signal", s))
			resetNow()
			if delay.Stop() {
				drain()
			}
		}
	}
}

func (p *process) logStopping(s os.Signal) {
	run := p.config.Load().Runtime
	msg := "stopping: no new clients"
	if run.ShutdownDelay > 0 {
		msg = "stopping: not ready, new clients are still served"
	}
	p.log.Info(msg,
		zap.Stringer("signal", s),
		zap.Int64("connections", p.data.Stats().Active),
		zap.Stringer("delay", run.ShutdownDelay),
		zap.Stringer("grace", run.ShutdownGrace))
}

// attend does what is about files, one thing at a time, until ctx is done. A
// disk that does not answer holds up this goroutine and no other.
func (p *process) attend(ctx context.Context, o *orders) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.reopen:
			p.reopen()
		case <-o.upgrade:
			if _, err := p.upgrade(""); err != nil {
				p.log.Error("upgrade: nothing has changed", zap.Error(err))
			}
		case s := <-o.stray:
			p.log.Warn("a signal was ignored: it is the main process that obeys",
				zap.Stringer("signal", s), zap.Int("pid", p.mainPID()))
		case <-o.alone:
			if sys.Exists(p.life.page.Keeper()) {
				continue // it was that of a process which died as soon as it had one
			}
			p.log.Warn("the keeper was killed; there is a new one")
			if err := p.life.keep(p.data.BookFD()); err != nil {
				p.log.Error("a crash will cost the connections: there can be no keeper", zap.Error(err))
			}
		case <-o.orphan:
			p.log.Error("the main process is gone: stopping")
			o.orphan = nil
		case s := <-o.reload:
			if p.hangup == nil || !p.hangup() {
				_, _ = p.reload() // it has logged the outcome
				continue
			}
			select {
			case o.stop <- s:
			default: // two orders to stop wait already
			}
		}
	}
}
