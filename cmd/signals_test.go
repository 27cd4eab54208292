package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
	"sluice/proxy"
)

// within fails the test when what does not come.
func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("no %s in %v", what, patience)
	}
	return v
}

// withProcess runs do with a process that serves nothing and obeys orders.
// working is closed when it has stopped.
func withProcess(t *testing.T, o serveOptions, do func(_ *process, _ *orders, working <-chan struct{})) string {
	t.Helper()
	data, err := proxy.New(proxy.Options{Workers: 1})
	testnet.Must(t, "proxy", err)
	return logged(t, plainLog, func(l *logs) {
		p := &process{serveOptions: o, logs: l, log: l.log, data: data}
		p.config.Store(&config.Config{})
		orders := &orders{
			stop:   make(chan os.Signal, 2),
			reload: make(chan os.Signal, 1),
			reopen: make(chan os.Signal, 1),
		}
		ctx, cancel := context.WithCancel(t.Context())
		working, attending := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(attending)
			p.attend(ctx, orders)
		}()
		go func() {
			defer close(working)
			p.work(orders, func() {})
		}()
		do(p, orders, working)
		within(t, "end of the process", working)
		cancel()
		within(t, "end of the work on files", attending)
	})
}

func TestHangupStopsWhatAsksForIt(t *testing.T) {
	withProcess(t, serveOptions{hangup: func() bool { return true }}, func(_ *process, o *orders, working <-chan struct{}) {
		o.reload <- syscall.SIGHUP
		within(t, "stop", working)
	})
}

func TestStopIsHeardWhileAReloadWaitsForItsDisk(t *testing.T) {
	reading, answer := make(chan struct{}), make(chan struct{})
	load := func(string) (*config.Config, error) {
		close(reading)
		<-answer
		return nil, errors.New("gone")
	}
	withProcess(t, serveOptions{load: load}, func(_ *process, o *orders, working <-chan struct{}) {
		defer close(answer)
		o.reload <- syscall.SIGHUP
		within(t, "reload", reading)
		o.reload <- syscall.SIGHUP
		o.stop <- syscall.SIGTERM
		within(t, "stop", working)
	})
}

func TestReloadsDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, most, all := 0, 0, 0
		answer := make(chan struct{})
		load := func(string) (*config.Config, error) {
			all++
			reading++
			most = max(most, reading)
			<-answer
			reading--
			return nil, errors.New("gone")
		}
		logged(t, plainLog, func(l *logs) {
			p := &process{serveOptions: serveOptions{load: load}, logs: l, log: l.log}
			o := &orders{reload: make(chan os.Signal, 1)}
			ctx, cancel := context.WithCancel(t.Context())
			go p.attend(ctx, o)
			for range 2 {
				o.reload <- syscall.SIGHUP
				synctest.Wait()
			}
			close(answer)
			synctest.Wait()
			cancel()
		})
		if most != 1 || all != 2 {
			t.Errorf("%d at once of %d, want 1 of 2", most, all)
		}
	})
}

func TestStopIsHeardWhileTheStartWaitsForItsDisk(t *testing.T) {
	answer, left := make(chan struct{}), make(chan struct{})
	o := serveOptions{load: func(string) (*config.Config, error) {
		defer close(left)
		<-answer
		return nil, errors.New("gone")
	}}
	stop := make(chan os.Signal, 1)
	stop <- syscall.SIGTERM
	began := make(chan opened, 1)
	go func() { began <- o.open(o.load, stop) }()
	if got := within(t, "end of the start", began); got != (opened{}) {
		t.Errorf("got %v, want nothing", got)
	}
	close(answer)
	within(t, "end of the reading", left)
}

func TestStopIsHeardInABurstOfOthers(t *testing.T) {
	o := newOrders(nil)
	defer o.end()
	// Nobody obeys: the burst fills whatever room there is.
	witness := make(chan os.Signal, 1)
	signal.Notify(witness, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM)
	defer signal.Stop(witness)
	for range 50 {
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
			testnet.Must(t, "kill", syscall.Kill(os.Getpid(), s))
			within(t, s.String(), witness)
		}
	}
	testnet.Must(t, "kill", syscall.Kill(os.Getpid(), syscall.SIGTERM))
	within(t, "witness of TERM", witness)
	if got := within(t, "TERM", o.stop); got != syscall.SIGTERM {
		t.Errorf("got %v, want TERM alone", got)
	}
	for name, c := range map[string]chan os.Signal{"HUP": o.reload, "USR1": o.reopen} {
		within(t, name, c)
		if len(c) > 0 {
			t.Errorf("%s waits again: what came while one waited asks for nothing new", name)
		}
	}
}
