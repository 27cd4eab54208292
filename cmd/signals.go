package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
)

// orders are the signals, a channel for each meaning, so that no burst of one
// keeps another from being heard. A second HUP or USR1 while one waits asks for
// nothing new; a second TERM does.
type orders struct {
	stop   chan os.Signal // TERM, INT
	reload chan os.Signal // HUP
	reopen chan os.Signal // USR1
}

func newOrders() *orders {
	o := &orders{
		stop:   make(chan os.Signal, 2),
		reload: make(chan os.Signal, 1),
		reopen: make(chan os.Signal, 1),
	}
	signal.Notify(o.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(o.reload, syscall.SIGHUP)
	signal.Notify(o.reopen, syscall.SIGUSR1)
	return o
}

func (o *orders) end() {
	signal.Stop(o.stop)
	signal.Stop(o.reload)
	signal.Stop(o.reopen)
}

// work waits for the order to stop and obeys it until the process has stopped.
// It waits for no file. quiet ends the probes and the tables that follow from
// them: who gets no new clients needs neither.
func (p *process) work(o *orders, quiet func()) {
	draining, resetNow := context.WithCancel(context.Background())
	defer resetNow()
	stopped := make(chan int, 1) // gets the number of connections reset
	for {
		select {
		case n := <-stopped:
			p.logStop(n)
			return
		case s := <-o.stop:
			if p.stopping.Swap(true) {
				p.log.Warn("resetting what is left", zap.Stringer("signal", s))
				resetNow()
				continue
			}
			grace := p.config.Load().Runtime.ShutdownGrace
			p.log.Info("stopping: no new clients",
				zap.Stringer("signal", s),
				zap.Int64("connections", p.data.Stats().Active),
				zap.Stringer("grace", grace))
			quiet()
			go func() { stopped <- p.data.Shutdown(draining, grace) }()
		}
	}
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
		case s := <-o.reload:
			if p.hangup == nil || !p.hangup() {
				p.reload()
				continue
			}
			select {
			case o.stop <- s:
			default: // two orders to stop wait already
			}
		}
	}
}
