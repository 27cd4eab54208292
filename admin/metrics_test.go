package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/control"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/state"
)

// sample is a record of a connection to web/b1.
func sample(change func(*proxy.Record)) *proxy.Record {
	r := &proxy.Record{
		Listener: "web", Pool: "web", Backend: "b1", Accepted: time.Now(),
		Connect: time.Millisecond, FirstByte: 2 * time.Millisecond, Total: time.Second, Up: 10, Down: 20,
	}
	if change != nil {
		change(r)
	}
	return r
}

func TestMetricsSayWhatHappened(t *testing.T) {
	f := &fake{history: []Handover{{Kind: "crash", Outcome: HandoverDone}}, about: About{Version: "1.2", Commit: "abc", Go: "go1"}}
	at, force := compiled(t, f)
	force(nil)
	tallies := f.server.meter.tallies
	tallies.Record(sample(nil))
	tallies.Record(sample(func(r *proxy.Record) { r.RTT, r.Retransmits = 4*time.Millisecond, 3 }))
	tallies.Record(sample(func(r *proxy.Record) { r.Copied, r.Cause = true, proxy.BackendReset }))
	tallies.Record(sample(func(r *proxy.Record) { r.Backend, r.Cause, r.Connect, r.FirstByte = "", proxy.NoBackend, -1, -1 }))
	tallies.ConnectFailed("web", "b1")
	tallies.ConnectFailed("web", "b1")
	f.live = []proxy.Moved{{Up: 1000, Down: 2000}}
	ask(t, at, "PATCH", backendAt("web", "unix:/run/b2.sock"), `{"mode": "drain", "weight": 7}`)

	got := ask(t, at, "GET", "/metrics", "")
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d, %v", got.status, got.header)
	}
	for _, want := range []string{
		`sluice_build_info{commit="abc",go="go1",version="1.2"} 1`,
		`sluice_ready 1`, `sluice_connections 3`, `sluice_connections_max 100`, `sluice_connections_accepted_total 9`,
		`sluice_connections_closed_total{reason="completed"} 5`, `sluice_connections_closed_total{reason="killed"} 1`,
		`sluice_relayed_bytes_total{direction="up"} 1100`, `sluice_relayed_bytes_total{direction="down"} 2200`,
		`sluice_pipes{state="used"} 3`, `sluice_pipes{state="free"} 5`, `sluice_log_lines_lost_total 6`,
		`sluice_worker_connections{worker="1"} 2`, `sluice_worker_cpu_seconds_total{worker="0"} 2`, `sluice_worker_lag_seconds{worker="0"} 0.001`,
		`sluice_handovers_total{kind="crash",outcome="done"} 1`,
		`sluice_listener_connections{listener="web"} 3`, `sluice_listener_paused{listener="web"} 0`,
		`sluice_listener_connections_closed_total{listener="web",reason="no_backend"} 1`,
		`sluice_listener_relayed_bytes_total{direction="up",listener="web"} 1040`,
		`sluice_pool_backends{place="serving",pool="web"} 1`, `sluice_pool_backends{place="out",pool="web"} 1`, `sluice_pool_backends{place="standby",pool="web"} 0`,
		`sluice_backend_up{backend="b1",pool="web"} 1`, `sluice_backend_serving{backend="unix:/run/b2.sock",pool="web"} 0`,
		`sluice_backend_ordered{backend="unix:/run/b2.sock",pool="web"} 1`, `sluice_backend_weight{backend="unix:/run/b2.sock",pool="web"} 7`,
		`sluice_backend_connections{backend="b1",pool="web"} 0`,
		`sluice_backend_connections_closed_total{backend="b1",pool="web",reason="completed"} 2`,
		`sluice_backend_connections_closed_total{backend="b1",pool="web",reason="backend_reset"} 1`,
		`sluice_backend_relayed_bytes_total{backend="b1",direction="down",pool="web"} 2060`,
		`sluice_backend_spliced_bytes_total{backend="b1",pool="web"} 60`, `sluice_backend_copied_bytes_total{backend="b1",pool="web"} 30`,
		`sluice_backend_connect_failures_total{backend="b1",pool="web"} 2`,
		`sluice_backend_rtt_seconds_sum{backend="b1",pool="web"} 0.004`, `sluice_backend_rtt_seconds_count{backend="b1",pool="web"} 1`,
		`sluice_backend_retransmits_total{backend="b1",pool="web"} 3`,
		`sluice_connect_seconds_count{pool="web"} 3`, `sluice_connect_seconds_bucket{pool="web",le="0.001"} 3`,
		`sluice_first_byte_seconds_count{pool="web"} 3`, `sluice_connection_duration_seconds_count{listener="web"} 4`,
	} {
		if !strings.Contains(got.body, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if !strings.Contains(got.body, "process_open_fds") || !strings.Contains(got.body, "go_goroutines") {
		t.Error("nothing of the process and of Go")
	}

	seen := make(map[string]bool)
	for line := range strings.Lines(got.body) {
		if name := line[:strings.LastIndexByte(line, ' ')]; seen[name] && line[0] != '#' {
			t.Errorf("%s is there twice", name)
		} else {
			seen[name] = true
		}
	}

	// A connection ends: its bytes were counted while it lived.
	before := "sluice_relayed_bytes_total{direction=\"up\"} 1100\n"
	f.live = []proxy.Moved{{}}
	if got := ask(t, at, "GET", "/metrics", ""); !strings.Contains(got.body, before) {
		t.Error("a counter has gone backwards")
	}
}

func TestOperationsExplainsEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	testnet.Must(t, "read", err)
	names := map[string]bool{}
	for _, m := range theMetrics {
		if names[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		names[m.name] = true
	}
	for name := range names {
		if !strings.Contains(string(text), "| `"+name) {
			t.Errorf("docs/metrics.md does not explain %s", name)
		}
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(strings.SplitN(name, "`", 2)[0], "{")
			if !names[name] && strings.HasPrefix(name, "sluice_") {
				t.Errorf("docs/metrics.md explains %s, which there is not", name)
			}
		}
	}
}

// aThousand is a server with 1,000 backends, each of which has had connections.
func aThousand(tb testing.TB) *Server {
	store := state.New()
	cfg := &config.Config{Listeners: []config.Listener{{Name: "web", Pool: "p00", Relay: "splice", Reject: "reset"}}}
	for i := range 20 {
		p := config.Pool{Name: fmt.Sprintf("p%02d", i), Policy: "least_connections", HashOn: "source", Health: config.Health{Type: "none"}}
		for j := range 50 {
			at, _ := config.ParseAddress(fmt.Sprintf("10.0.%d.%d:80", i, j+1))
			p.Backends = append(p.Backends, config.Backend{Name: at.String(), Address: at, Weight: 1})
		}
		cfg.Pools = append(cfg.Pools, p)
	}
	c := store.Change()
	c.SetConfig(cfg)
	c.Commit()
	made, err := control.Compile(store.View(), nil)
	testnet.Must(tb, "compile", err)
	f := &fake{table: made.Table}
	s := New(Options{Process: f, Data: f, Config: func() *config.Config { return cfg }, Store: store, Log: zap.NewNop()})
	for _, p := range cfg.Pools {
		for _, b := range p.Backends {
			s.meter.tallies.Record(&proxy.Record{Listener: "web", Pool: p.Name, Backend: b.Name, RTT: 1, Accepted: time.Now()})
		}
	}
	return s
}

func scrape(s *Server) int64 {
	w := httptest.NewRecorder()
	s.meter.handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	n, _ := io.Copy(io.Discard, w.Body)
	return n
}

func BenchmarkScrapeOfAThousandBackends(b *testing.B) {
	s := aThousand(b)
	b.ReportAllocs()
	for b.Loop() {
		scrape(s)
	}
}

// used is the CPU time of this process: other programs may have the machine, and
// then the clock says nothing.
func used(t *testing.T) time.Duration {
	var u syscall.Rusage
	testnet.Must(t, "rusage", syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestScrapeOfAThousandBackendsIsQuick(t *testing.T) {
	s := aThousand(t)
	best := time.Hour
	for range 10 {
		start := used(t)
		if n := scrape(s); n < 100_000 {
			t.Fatalf("%d bytes, want a thousand backends", n)
		}
		best = min(best, used(t)-start)
	}
	if most := 50 * time.Millisecond * slowness; best > most {
		t.Errorf("%v of CPU, want at most %v", best, most)
	}
}

func BenchmarkRecord(b *testing.B) {
	tallies, r := NewTallies(), sample(nil)
	b.ReportAllocs()
	for b.Loop() {
		tallies.Record(r)
	}
}

func TestBackendThatIsLongGoneIsForgotten(t *testing.T) {
	tallies := NewTallies()
	tallies.Record(sample(nil))
	tallies.ConnectFailed("web", "b1")
	tallies.turned("web", "b1", "up")
	tallies.ConnectFailed("web", "never_connected")
	tallies.turned("web", "never_connected", "down")
	there := false
	tallies.forget(time.Now().Add(forgetAfter/2), func(backendKey) bool { return there })
	if len(tallies.backends) != 1 {
		t.Error("forgotten at once")
	}
	there = true
	tallies.forget(time.Now().Add(2*forgetAfter), func(backendKey) bool { return there })
	if len(tallies.backends) != 1 {
		t.Error("forgotten though it is there")
	}
	there = false
	tallies.forget(time.Now().Add(2*forgetAfter), func(backendKey) bool { return there })
	if len(tallies.backends)+len(tallies.failed)+len(tallies.turns) != 0 {
		t.Error("never forgotten")
	}
}

// TestExamplesAskForMetricsThatThereAre holds the alert rules and the dashboard
// of examples/ to the names and labels of the metrics.
func TestExamplesAskForMetricsThatThereAre(t *testing.T) {
	labels := map[string][]string{}
	for _, m := range theMetrics {
		labels[m.name] = m.labels
	}
	use := regexp.MustCompile(`(sluice_\w+)(\{[^}]*\})?`)
	label := regexp.MustCompile(`(\w+)(=~|!=|=)"([^"]*)"`)
	for _, file := range []string{"alerts.yml", "grafana.json"} {
		text, err := os.ReadFile("../examples/prometheus/" + file)
		testnet.Must(t, "read", err)
		found := 0
		for _, m := range use.FindAllStringSubmatch(strings.ReplaceAll(string(text), `\"`, `"`), -1) {
			found++
			name := m[1]
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if whole := strings.TrimSuffix(name, part); labels[whole] != nil {
					name = whole
				}
			}
			known, ok := labels[name]
			if !ok {
				t.Errorf("%s: there is no metric %s", file, m[1])
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if l[1] != "instance" && l[1] != "le" && !slices.Contains(known, l[1]) {
					t.Errorf("%s: %s has no label %s", file, m[1], l[1])
				}
				if l[1] != "reason" {
					continue
				}
				for cause := range strings.SplitSeq(l[3], "|") {
					if _, ok := proxy.ParseCause(cause); !ok {
						t.Errorf("%s: no connection ends with %q", file, cause)
					}
				}
			}
		}
		if found < 10 {
			t.Errorf("%s: %d metrics found, want more", file, found)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is not JSON", file)
		}
	}
}
