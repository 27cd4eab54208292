package cmd

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

func TestDemoBackendAnswersWithItsNumberAndWhatToDoNext(t *testing.T) {
	b := &demoBackend{number: 2, address: "127.0.0.1:9002", quit: make(chan struct{}, 1)}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Body.String(); !strings.HasPrefix(got, "hello from backend 2\n") || !strings.Contains(got, "/quit") {
		t.Errorf("got %q", got)
	}
	for range 2 { // a second one must not block
		w = httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/quit", nil))
		if got := w.Body.String(); !strings.Contains(got, "goes away") {
			t.Errorf("got %q", got)
		}
	}
	if len(b.quit) != 1 {
		t.Error("/quit did not ask the backend to go away")
	}
}

// The absence is skipped by a clock of its own: the backend's address is
// really closed and really opened again.
func TestDemoBackendComesBackWhereItWas(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	b := &demoBackend{number: 1, address: address, say: func(string, ...any) {}}
	synctest.Test(t, func(t *testing.T) {
		back := b.reopen(context.Background())
		if back == nil || fmt.Sprint(back.Addr()) != address {
			t.Errorf("reopened %v, want %s", back, address)
		}
		_ = back.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if l := b.reopen(ctx); l != nil {
			t.Error("reopened after the end")
		}
	})
}
