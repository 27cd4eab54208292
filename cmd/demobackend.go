package cmd

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// demoAway is how long a demo backend stays away after /quit: long enough to
// see the others take over, short enough to see it come back.
const demoAway = 10 * time.Second

// demoBackend is a small HTTP program that can be told to go away:
//
//	serving --GET /quit--> away --demoAway--> serving
type demoBackend struct {
	number  int
	address string // the same before and after an absence
	say     func(format string, args ...any)

	first net.Listener
	quit  chan struct{}
}

// newDemoBackend opens a free port of the loopback address.
func newDemoBackend(number int, say func(string, ...any)) (*demoBackend, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo backend %d: %w", number, err)
	}
	return &demoBackend{
		number:  number,
		address: l.Addr().String(),
		say:     say,
		first:   l,
		quit:    make(chan struct{}, 1),
	}, nil
}

// run serves until ctx is done.
func (b *demoBackend) run(ctx context.Context) {
	l := b.first
	for l != nil {
		if !b.serve(ctx, l) {
			return
		}
		b.say("%s at %s has gone away and will be back in %v", demoName(b.number), b.address, demoAway)
		if l = b.reopen(ctx); l != nil {
			b.say("%s at %s is back", demoName(b.number), b.address)
		}
	}
}

// serve answers until it is told to quit, which it reports, or ctx is done.
func (b *demoBackend) serve(ctx context.Context, l net.Listener) bool {
	server := &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	// A connection for each request: every curl and every reload of a browser
	// page shows the balancer's next choice.
	server.SetKeepAlivesEnabled(false)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	asked := false
	select {
	case <-ctx.Done():
	case <-b.quit:
		asked = true
	}
	// The answer to /quit is still on its way out.
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(late)
	_ = server.Close()
	<-served
	return asked
}

// reopen listens again after demoAway; nil means that ctx is done.
func (b *demoBackend) reopen(ctx context.Context) net.Listener {
	wait := demoAway
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		l, err := net.Listen("tcp4", b.address)
		if err == nil {
			return l
		}
		b.say("%s cannot come back yet: %v", demoName(b.number), err)
		wait = time.Second
	}
}

// ServeHTTP answers every path; /quit is the last one for a while.
func (b *demoBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Path != "/quit" {
		fmt.Fprintf(w, "hello from backend %d\nask again for the next one; ask for /quit to send one away\n", b.number)
		return
	}
	fmt.Fprintf(w, "backend %d goes away for %v\n", b.number, demoAway)
	select {
	case b.quit <- struct{}{}:
	default:
	}
}
