package cmd

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/health"
	"sluice/proxy"
	"sluice/state"
)

// TestOnlyWhatTheBackendDidIsHeldAgainstIt: of each way to end, five in a row.
func TestOnlyWhatTheBackendDidIsHeldAgainstIt(t *testing.T) {
	const never = time.Duration(-1)
	for _, tt := range []struct {
		name               string
		cause              proxy.Cause
		connect, firstByte time.Duration
		errno              syscall.Errno
		want               string // the reason; "" for none
	}{
		{"reset before the first byte", proxy.BackendReset, 1, never, syscall.ECONNRESET,
			"5 failures in a row, the last one: broken before its first byte: connection reset by peer"},
		{"reset after it", proxy.BackendReset, 1, 1, syscall.ECONNRESET, ""},
		{"closed, and the client silent", proxy.ClientSilent, 1, never, 0, "5 failures in a row, the last one: closed before its first byte"},
		{"never connected", proxy.ConnectFailed, never, never, syscall.ECONNREFUSED, ""}, // told as a failed connect
		{"clean without a byte", proxy.Completed, 1, never, 0, ""},
		{"reset by the client", proxy.ClientReset, 1, never, syscall.ECONNRESET, ""},
		{"idle", proxy.IdleTimedOut, 1, never, 0, ""},
		{"no answer yet when the client was silent after it", proxy.BackendSilent, 1, never, 0, ""},
		{"reset on an order", proxy.Killed, 1, never, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := state.New()
				change := store.Change()
				change.SetConfig(&config.Config{Pools: []config.Pool{{
					Name: "web", Backends: []config.Backend{{Name: "b1", Weight: 1}},
					Outlier: config.Outlier{ConsecutiveFailures: 5, Window: time.Second, EjectFor: time.Minute, MaxEjectFor: time.Minute, MaxEjected: 1},
				}}})
				change.Commit()
				p := health.NewPassive(store, zap.NewNop())
				ctx, cancel := context.WithCancel(t.Context())
				var ended sync.WaitGroup
				ended.Go(func() { p.Run(ctx) })
				defer ended.Wait()
				defer cancel()
				synctest.Wait()
				for range 5 {
					time.Sleep(10 * time.Millisecond)
					judge(p, &proxy.Record{
						Pool: "web", Backend: "b1", Accepted: time.Now().Add(-5 * time.Millisecond), Total: 5 * time.Millisecond,
						Cause: tt.cause, Connect: tt.connect, FirstByte: tt.firstByte, Errno: tt.errno,
					})
				}
				judge(p, &proxy.Record{Pool: "web", Cause: proxy.NoBackend, Connect: never, FirstByte: never})
				synctest.Wait()
				got := ""
				if e := store.View().Ejection("web", "b1"); e != nil {
					got = e.Reason
				}
				if got != tt.want {
					t.Errorf("ejected for %q, want %q", got, tt.want)
				}
			})
		})
	}
}
