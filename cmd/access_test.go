package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/config"
	"sluice/proxy"
)

var plainLog = config.Log{Level: "info", Format: "json", Output: "stderr", Access: "all", AccessSample: 1}

// logged runs do with a log of c and returns what came out of it.
func logged(t *testing.T, c config.Log, do func(*logs)) string {
	t.Helper()
	var out bytes.Buffer
	l, err := newLogs(c, &out, &out)
	if err != nil {
		t.Fatal(err)
	}
	do(l)
	l.close()
	return out.String()
}

func TestAccessLineHasEveryField(t *testing.T) {
	accepted := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		record proxy.Record
		want   string
	}{
		{
			"completed",
			proxy.Record{
				Listener: "web", Pool: "app", Backend: "b1",
				Client:   netip.MustParseAddrPort("[2001:db8::7]:5000"),
				Accepted: accepted,
				Connect:  1500 * time.Microsecond, FirstByte: 20 * time.Millisecond, Total: 2 * time.Second,
				Up: 10, Down: math.MaxUint64,
			},
			`{"level":"info","time":"2026-03-04T05:06:09.000Z","msg":"connection","listener":"web",` +
				`"client":"[2001:db8::7]:5000","pool":"app","backend":"b1","bytes_up":10,` +
				`"bytes_down":18446744073709551615,"connect_ms":1.5,"first_byte_ms":20,"total_ms":2000,` +
				`"retries":0,"cause":"completed","code":"--"}`,
		},
		{
			"never connected",
			proxy.Record{
				Listener: "web", Pool: "app", Accepted: accepted,
				Connect: -1, FirstByte: -1, Total: 7 * time.Microsecond,
				Retries: 2, Cause: proxy.ConnectFailed, Errno: syscall.ECONNREFUSED,
			},
			`{"level":"info","time":"2026-03-04T05:06:07.000Z","msg":"connection","listener":"web",` +
				`"client":"unix","pool":"app","backend":"","bytes_up":0,` +
				`"bytes_down":0,"connect_ms":null,"first_byte_ms":null,"total_ms":0.007,` +
				`"retries":2,"cause":"connect_failed","code":"SC","error":"connection refused"}`,
		},
		{
			"our own fault",
			proxy.Record{Listener: "web", Pool: "app", Accepted: accepted, Cause: proxy.Internal, Errno: syscall.EINVAL},
			`{"level":"error","time":"2026-03-04T05:06:07.000Z","msg":"connection","listener":"web",` +
				`"client":"unix","pool":"app","backend":"","bytes_up":0,` +
				`"bytes_down":0,"connect_ms":0,"first_byte_ms":0,"total_ms":0,` +
				`"retries":0,"cause":"internal_error","code":"ID","error":"invalid argument"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := logged(t, plainLog, func(l *logs) { newAccessLog(l).take(&tt.record) })
			if got != tt.want+"\n" {
				t.Errorf("\ngot  %swant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestAccessRuleNeverHidesAFailureUnlessOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rule  accessRule
		cause proxy.Cause
		draw  float64
		want  bool
	}{
		{"all takes clean", accessRule{mode: "all", sample: 1}, proxy.Completed, 0.999, true},
		{"sample takes below", accessRule{mode: "all", sample: 0.5}, proxy.Completed, 0.49, true},
		{"sample leaves above", accessRule{mode: "all", sample: 0.5}, proxy.Completed, 0.5, false},
		{"sample of nothing", accessRule{mode: "all", sample: 0}, proxy.Completed, 0, false},
		{"sample does not touch failures", accessRule{mode: "all", sample: 0}, proxy.BackendReset, 0.9, true},
		{"errors leaves clean", accessRule{mode: "errors", sample: 1}, proxy.Completed, 0, false},
		{"errors takes failures", accessRule{mode: "errors", sample: 0}, proxy.IdleTimedOut, 0.9, true},
		{"off takes nothing", accessRule{mode: "off", sample: 1}, proxy.Internal, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.rule.wants(tt.cause, tt.draw); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBegunAndLongAreLoggedWithAllAlone(t *testing.T) {
	for mode, want := range map[string]bool{"all": true, "errors": false, "off": false} {
		r := accessRule{mode: mode, start: true, every: time.Minute}
		if r.begins() != want || (r.lasts() > 0) != want {
			t.Errorf("%s: begins %v, lasts %v", mode, r.begins(), r.lasts())
		}
	}
}

func TestLongConnectionHasALineEachTimeItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := plainLog
		c.AccessEvery = time.Minute
		began := time.Now()
		old, late := began.Add(-59*time.Second), began.Add(90*time.Second)
		listener, pool := &proxy.Listener{Name: "web"}, &proxy.Pool{Name: "app"}
		got := logged(t, c, func(l *logs) {
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() {
				l.logLong(ctx, func() (all []proxy.Conn) {
					for slot, accepted := range []time.Time{old, late} {
						if age := time.Since(accepted); age >= 0 {
							all = append(all, proxy.Conn{ID: proxy.ConnID{Slot: uint32(slot)}, Listener: listener, Pool: pool, Phase: "connecting", Age: age, Idle: -1})
						}
					}
					return all
				})
			})
			time.Sleep(4*time.Minute + 5*time.Second)
			cancel()
			running.Wait()
		})
		var ages []string
		for line := range strings.Lines(got) {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["msg"] != "connection open" || fields["listener"] != "web" || fields["backend"] != "" {
				t.Fatalf("%v: %s", err, line)
			}
			ages = append(ages, fmt.Sprint(fields["id"], " ", fields["total_ms"].(float64)/1000))
		}
		want := []string{"0-0-0 65", "0-0-0 125", "0-0-0 185", "0-1-0 60", "0-0-0 245", "0-1-0 120"}
		if fmt.Sprint(ages) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", ages, want)
		}
	})
}

func TestAccessDoesNotDependOnLevel(t *testing.T) {
	c := plainLog
	c.Level = "error"
	got := logged(t, c, func(l *logs) {
		newAccessLog(l).take(&proxy.Record{Listener: "web"})
		l.log.Warn("not this one")
	})
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, `"msg":"connection"`) {
		t.Errorf("got %q, want the one connection", got)
	}
}

func TestAccessRuleChangesWhileRunning(t *testing.T) {
	got := logged(t, plainLog, func(l *logs) {
		a := newAccessLog(l)
		for _, mode := range []string{"off", "all", "errors"} {
			c := plainLog
			c.Access = mode
			commit, _, err := l.prepare(c)
			if err != nil {
				t.Fatal(err)
			}
			commit()
			a.take(&proxy.Record{Listener: mode})
		}
	})
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, `"listener":"all"`) {
		t.Errorf("got %q, want the line of mode all", got)
	}
}

func BenchmarkAccessLine(b *testing.B) {
	c := plainLog
	c.Output = "/dev/null"
	l, err := newLogs(c, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	a := newAccessLog(l)
	r := &proxy.Record{
		Listener: "web", Pool: "app", Backend: "127.0.0.1:9001",
		Client:   netip.MustParseAddrPort("192.0.2.7:5000"),
		Accepted: time.Now(), Connect: time.Millisecond, FirstByte: time.Millisecond, Total: time.Second,
		Up: 1000, Down: 100000,
	}
	b.ReportAllocs()
	for b.Loop() {
		a.take(r)
	}
}
