package integration

import (
	"bufio"
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/internal/testnet"
)

// askSocket asks the admin API behind a unix socket, and reports false if nobody
// answers, as in the middle of a handover.
func askSocket(socket, path string) (*http.Response, bool) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}
	r, err := client.Get("http://localhost" + path)
	return r, err == nil
}

// scraped is what a scrape gives, by name and labels.
func scraped(socket string) map[string]float64 {
	r, ok := askSocket(socket, "/metrics")
	if !ok {
		return nil
	}
	defer r.Body.Close()
	all := make(map[string]float64)
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), "} ")
		if name == s.Text() {
			name, value, _ = strings.Cut(s.Text(), " ")
		}
		if strings.HasPrefix(name, "sluice_") {
			all[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return all
}

// counted are the counters among them. CPU time is that of threads, which die.
func counted(socket string) map[string]float64 {
	all := scraped(socket)
	maps.DeleteFunc(all, func(name string, _ float64) bool {
		family, _, _ := strings.Cut(name, "{")
		return family == "sluice_worker_cpu_seconds_total" ||
			!slices.ContainsFunc([]string{"_total", "_bucket", "_count", "_sum"}, func(kind string) bool { return strings.HasSuffix(family, kind) })
	})
	return all
}

// Whoever scrapes through a kill and an upgrade under load sees no counter that
// has become less.
func TestNoCounterGoesBackwardsOverAHandover(t *testing.T) {
	peer := testnet.Start(t, "tcp4", testnet.Echo)
	socket := testnet.SocketPath(t)
	p := Sluice(t, Setup{Backends: []string{peer.Address, testnet.Refusing(t)}, Health: "type = \"none\""}.TOML()+
		"\n[admin]\nbind = \"\"\nsocket = \""+socket+"\"\n")
	front := p.Front("web")
	var stop atomic.Bool
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop.Store(true)
	for range 2 {
		clients.Go(func() {
			for !stop.Load() {
				if c, err := testnet.TryDial(front, patience); err == nil {
					_, _ = testnet.Exchange(c, 1, 1000)
					c.Close()
				}
			}
		})
	}
	var before map[string]float64
	scrapes := 0
	look := func() {
		now := counted(socket)
		if len(now) == 0 {
			return
		}
		scrapes++
		for name, was := range before {
			if now[name] < was {
				t.Errorf("%s was %v and is %v", name, was, now[name])
			}
		}
		before = now
	}
	few := func(name string) {
		testnet.Eventually(t, patience, name+" grows", func() bool {
			was := before[name]
			look()
			return was > 0 && before[name] > was
		})
	}
	const ended = `sluice_backend_connections_closed_total{backend="`
	at := ended + peer.Address + `",pool="web",reason="completed"`
	few(at)
	from := p.Len()
	p.KillWorker()
	few(at)
	if code, said := p.Upgrade(""); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	p.TakenOver(from)
	few(at)
	for _, name := range []string{`sluice_handovers_total{kind="crash",outcome="done"`, `sluice_connect_seconds_count{pool="web"`,
		`sluice_backend_connect_failures_total{backend="`} {
		found := false
		for key, n := range before {
			found = found || strings.HasPrefix(key, name) && n > 0
		}
		if !found {
			t.Errorf("no %s among %d", name, len(before))
		}
	}
	t.Logf("%d counters, %d scrapes", len(before), scrapes)
}
