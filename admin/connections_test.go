package admin

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/control"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/proxy/guard"
	"sluice/state"
)

// fourConns are two of web, one of which has no backend yet, one of api, and one
// that came over a unix socket.
func fourConns() []proxy.Conn {
	web, api := &proxy.Listener{Name: "web"}, &proxy.Listener{Name: "api"}
	p, q := &proxy.Pool{Name: "web"}, &proxy.Pool{Name: "api"}
	b1, b2 := &proxy.Backend{Name: "b1"}, &proxy.Backend{Name: "b2"}
	client := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	return []proxy.Conn{
		{ID: proxy.ConnID{Slot: 1, Generation: 1}, Listener: web, Pool: p, Backend: b1, Client: client("10.0.0.1:1"), Phase: "relaying", Age: 4 * time.Second, Idle: 1, Up: 1, Down: 50},
		{ID: proxy.ConnID{Slot: 2, Generation: 2}, Listener: web, Pool: p, Client: client("10.0.1.1:2"), Phase: "connecting", Age: 3 * time.Second, Idle: 4},
		{ID: proxy.ConnID{Worker: 1, Slot: 1, Generation: 3}, Listener: api, Pool: q, Backend: b2, Client: client("[2001:db8::1]:3"), Phase: "relaying", Age: 2 * time.Second, Idle: 3, Up: 9, Copied: true, Multipath: true},
		{ID: proxy.ConnID{Worker: 1, Slot: 4, Generation: 4}, Listener: api, Pool: q, Backend: b1, Phase: "breaking", Age: time.Second, Idle: 2, Up: 5, Down: 5, Retries: 2},
	}
}

func TestConnectionsAreFilteredSortedAndPaged(t *testing.T) {
	_, at := serve(t, &fake{conns: fourConns()}, config.Admin{Bind: anyPort})
	for _, tt := range []struct {
		query    string
		matching int
		want     []string
	}{
		{"", 4, []string{"0-1-1", "0-2-2", "1-1-3", "1-4-4"}}, // the oldest first
		{"listener=web", 2, []string{"0-1-1", "0-2-2"}},
		{"pool=api&backend=b1", 1, []string{"1-4-4"}},
		{"phase=connecting", 1, []string{"0-2-2"}},
		{"client=10.0.0.0/23", 2, []string{"0-1-1", "0-2-2"}},
		{"client=10.0.1.1", 1, []string{"0-2-2"}},
		{"client=2001:db8::/32", 1, []string{"1-1-3"}},
		{"client=192.0.2.1", 0, []string{}},
		{"sort=age", 4, []string{"1-4-4", "1-1-3", "0-2-2", "0-1-1"}},
		{"sort=-idle", 4, []string{"0-2-2", "1-1-3", "1-4-4", "0-1-1"}},
		{"sort=-bytes", 4, []string{"0-1-1", "1-4-4", "1-1-3", "0-2-2"}},
		{"sort=-bytes_up", 4, []string{"1-1-3", "1-4-4", "0-1-1", "0-2-2"}},
		{"sort=bytes_down", 4, []string{"0-2-2", "1-1-3", "1-4-4", "0-1-1"}},
		{"sort=client", 4, []string{"1-4-4", "0-1-1", "0-2-2", "1-1-3"}},
		{"limit=2", 4, []string{"0-1-1", "0-2-2"}},
		{"limit=2&offset=3", 4, []string{"1-4-4"}},
		{"offset=9", 4, []string{}},
	} {
		got := get[Connections](t, at, "/v1/connections?"+tt.query)
		ids := []string{}
		for _, c := range got.Connections {
			ids = append(ids, c.ID)
		}
		if got.Matching != tt.matching || !slices.Equal(ids, tt.want) {
			t.Errorf("%s: %d, %v, want %d, %v", tt.query, got.Matching, ids, tt.matching, tt.want)
		}
	}
	for query, instead := range map[string]string{
		"sort=size": "bytes_up", "limit=0": "1 to", "limit=x": "1 to", "offset=-1": "0 to", "client=me": "10.0.0.0/8", "user=me": "listener, pool",
	} {
		ask(t, at, "GET", "/v1/connections?"+query, "").refused(t, 400, "cannot be understood", instead)
	}
	got := get[Connections](t, at, "/v1/connections?pool=api&sort=-age").Connections
	want := []Connection{
		{"1-1-3", "api", "api", "b2", "[2001:db8::1]:3", "unix", "", 0, "relaying", 2, 3e-9, 9, 0, 0, "copy", true},
		{"1-4-4", "api", "api", "b1", "unix", "unix", "", 0, "breaking", 1, 2e-9, 5, 5, 2, "splice", false},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConnectionIsKilledByItsID(t *testing.T) {
	f := &fake{conns: fourConns()}
	_, at := serve(t, f, config.Admin{Bind: anyPort})
	if got := ask(t, at, "DELETE", "/v1/connections/1-1-3", ""); got.status != 200 || !strings.Contains(got.body, `"1-1-3"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	ask(t, at, "DELETE", "/v1/connections/1-1-9", "").refused(t, 404, "1-1-9 is not there", "/v1/connections")
	ask(t, at, "DELETE", "/v1/connections/x", "").refused(t, 400, "not a connection's ID", "/v1/connections")
	if want := []proxy.ConnID{{Worker: 1, Slot: 1, Generation: 3}, {Worker: 1, Slot: 1, Generation: 9}}; !slices.Equal(f.killed, want) {
		t.Errorf("killed %v, want %v", f.killed, want)
	}
}

func TestHistoryIsTheLatestFirst(t *testing.T) {
	s, at := serve(t, &fake{}, config.Admin{Bind: anyPort})
	if got := get[Transitions](t, at, "/v1/history"); len(got.Transitions) != 0 {
		t.Errorf("history at the start: %+v", got)
	}
	for i := range mostHistory + 10 {
		s.Transition(Transition{Pool: "web", Backend: fmt.Sprintf("b%d", i%2), Reason: fmt.Sprint(i), From: "up", To: "down"})
	}
	for _, tt := range []struct {
		query       string
		n           int
		first, last string
	}{
		{"", usualPage, "509", "410"},
		{"limit=500", mostHistory, "509", "10"},
		{"backend=b0&limit=3", 3, "508", "504"},
		{"pool=api", 0, "", ""},
	} {
		got := get[Transitions](t, at, "/v1/history?"+tt.query).Transitions
		if len(got) != tt.n || tt.n > 0 && (got[0].Reason != tt.first || got[tt.n-1].Reason != tt.last) {
			t.Errorf("%s: %d transitions, want %d from %s to %s", tt.query, len(got), tt.n, tt.first, tt.last)
		}
	}
	ask(t, at, "GET", "/v1/history?limit=501", "").refused(t, 400, "limit=501", "1 to 500")
	ask(t, at, "GET", "/v1/history?since=1", "").refused(t, 400, "since=1", "pool, backend")
}

func TestListenersAndConfigAndLevel(t *testing.T) {
	f := &fake{level: "info", paused: true}
	_, at := serve(t, f, config.Admin{Bind: anyPort})
	l := get[Listeners](t, at, "/v1/listeners").Listeners
	if len(l) != 1 || l[0].Name != "web" || l[0].Connections != 3 || !l[0].Paused || l[0].Bound[0] != "127.0.0.1:8080" {
		t.Errorf("listeners %+v", l)
	}
	cfg := get[map[string]map[string]any](t, at, "/v1/config")
	if cfg["listeners"]["web"].(map[string]any)["pool"] != "web" || cfg["admin"]["token_file"] != "" {
		t.Errorf("config %v", cfg)
	}
	if got := ask(t, at, "PUT", "/v1/log-level", `{"level": "debug"}`); got.status != 200 || f.level != "debug" {
		t.Errorf("%d %s, level %s", got.status, got.body, f.level)
	}
	if got := get[LogLevel](t, at, "/v1/log-level"); got.Level != "debug" {
		t.Errorf("level %s", got.Level)
	}
	ask(t, at, "PUT", "/v1/log-level", `{"level": "loud"}`).refused(t, 400, "loud", "debug, info")
}

// eject takes a backend out of its pool.
func (f *fake) eject(pool, backend string, length time.Duration) {
	view := f.server.store.View()
	now := time.Now()
	c := f.server.store.Change()
	for _, b := range control.Standings(view, pool) {
		if b.Backend.Name == backend {
			c.SetEjection(&state.Ejection{Pool: pool, Backend: backend, Address: b.Backend.Address, Since: now, Until: now.Add(length), Reason: "five in a row"})
		}
	}
	c.Commit()
}

// limit has the agent of a backend say how many connections it takes.
func (f *fake) limit(pool, backend string, most int) {
	c := f.server.store.Change()
	b := c.View().Backend(pool, backend)
	c.SetAdvice(&state.Advice{Pool: pool, Backend: backend, Address: b.Address, Agent: b.Address, Weight: -1, MaxConnections: most})
	c.Commit()
}

func TestExplainGoesByTheRoutes(t *testing.T) {
	f := &fake{}
	cfg := twoPools()
	cfg.Listeners = []config.Listener{{Name: "web", Pool: "web", Relay: "splice", Reject: "reset", Routes: []config.Route{
		{SNI: []string{"*.example.com"}, ALPN: []string{"h2"}, Pool: "api"},
		{Source: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Pool: "api"},
	}}}
	for i := range cfg.Pools {
		cfg.Pools[i].HashOn = "source"
	}
	store := state.New()
	c := store.Change()
	c.SetConfig(cfg)
	c.Commit()
	made, err := control.Compile(store.View(), nil)
	testnet.Must(t, "compile", err)
	f.table = made.Table
	s := New(Options{Process: f, Data: f, Config: func() *config.Config { return cfg }, Store: store, Log: zap.NewNop()})
	t.Cleanup(s.Close)
	open(t, s, config.Admin{Bind: anyPort})
	for query, want := range map[string]string{
		"from=198.51.100.7&sni=A.Example.com.&alpn=http/1.1,h2": "0 api route 0: sni *.example.com; alpn h2 fits",
		"from=198.51.100.7&sni=a.example.com":                   "-1 web no route of 2 fits: the pool of the listener",
		"from=192.0.2.9":                                        "1 api route 1: source 192.0.2.0/24 fits",
	} {
		e := get[Explanation](t, s.Addresses()[0], "/v1/explain?listener=web&"+query)
		if got := fmt.Sprint(e.Route, " ", e.Pool, " ", e.Steps[1]); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	ask(t, s.Addresses()[0], "GET", "/v1/explain?listener=web&from=192.0.2.9&alpn=h2,,h3", "").refused(t, 400, "alpn", "h2,http/1.1")
}

func TestExplainSaysWhoWouldBeTaken(t *testing.T) {
	f := &fake{}
	at, force := compiled(t, f)
	explain := func(query string) Explanation {
		return get[Explanation](t, at, "/v1/explain?"+query)
	}
	where := func(e Explanation) string {
		var all []string
		for _, c := range e.Backends {
			all = append(all, c.Name+" "+c.Taken)
		}
		return e.Backend + ": " + strings.Join(all, ", ")
	}
	e := explain("listener=web&from=198.51.100.7&sni=example.com")
	if got := where(e); got != ": b1 maybe, unix:/run/b2.sock maybe" || e.Pool != "web" {
		t.Errorf("round_robin: %s, %+v", got, e)
	}
	if got := strings.Join(e.Steps, "; "); got != "listener web: accepted, 3 connections; sni example.com: not looked at, this listener has no routes; pool web: round_robin; backend: one of 2, as round_robin finds them at that moment" {
		t.Errorf("steps %s", got)
	}

	force(func(p *config.Pool) { p.Policy = "first"; p.Backends[0].MaxConnections = 1 })
	if e := explain("listener=web&from=::ffff:198.51.100.7"); where(e) != "b1: b1 yes, unix:/run/b2.sock no" || e.From != "198.51.100.7" {
		t.Errorf("first: %s, %+v", where(e), e)
	}
	if n := f.table.Pools[1].Backends[0].Load.Active(); n != 0 {
		t.Errorf("asking has left %d connections counted", n)
	}
	f.table.Pools[1].Backends[0].Load.Acquire(0)
	if e := explain("listener=web&from=198.51.100.7"); where(e) != "unix:/run/b2.sock: b1 no, unix:/run/b2.sock yes" || e.Backends[0].Why != "full: 1 of 1 connections" {
		t.Errorf("full: %s, %+v", where(e), e)
	}

	// What its agent says is what is in force.
	force(func(p *config.Pool) { p.Policy, p.Health.Agent = "first", p.Backends[0].Address })
	f.limit("web", "b1", 2)
	force(nil)
	f.table.Pools[1].Backends[0].Load.Acquire(0)
	if e := explain("listener=web&from=198.51.100.7"); e.Backends[0].Taken != "yes" {
		t.Errorf("the agent says 2: %+v", e.Backends[0])
	}

	// The same client goes to the same backend, and clients are spread.
	force(func(p *config.Pool) { p.Policy, p.HashOn = "maglev", "source" })
	to := make(map[string]int)
	for i := range 40 {
		e := explain(fmt.Sprintf("listener=web&from=198.51.100.%d", i))
		if e.Backend != explain(fmt.Sprintf("listener=web&from=198.51.100.%d", i)).Backend {
			t.Errorf("client %d has two backends", i)
		}
		to[e.Backend]++
	}
	if len(to) != 2 || to[""] > 0 {
		t.Errorf("maglev: %v, want both", to)
	}

	// Why it is out, and for how long; and what least_latency goes by.
	force(func(p *config.Pool) { p.Policy = "least_latency" })
	f.latency = 1234567
	f.eject("web", "b1", 90*time.Second)
	e = explain("listener=web&from=198.51.100.7")
	if got := e.Backends[0]; got.Taken != "no" || got.Why != "ejected: five in a row; for another 1m30s" {
		t.Errorf("ejected: %+v", got)
	}
	if got := e.Backends[1]; got.Taken != "maybe" || got.Why != "not checked, weight 2, 0 connections, answers in 1.235ms" {
		t.Errorf("least_latency: %+v", got)
	}
	b1 := get[Backend](t, at, "/v1/pools/web/backends/b1")
	if b1.EjectedUntil == nil || time.Until(*b1.EjectedUntil) < time.Minute || b1.LatencyMS != 1.234 {
		t.Errorf("backend: %+v", b1)
	}
	scraped := ask(t, at, "GET", "/metrics", "").body
	for _, want := range []string{`sluice_backend_ejected{backend="b1",pool="web"} 1`, `sluice_backend_ejected{backend="unix:/run/b2.sock",pool="web"} 0`,
		`sluice_backend_latency_seconds{backend="b1",pool="web"} 0.001234567`} {
		if !strings.Contains(scraped, want+"\n") {
			t.Errorf("no %s", want)
		}
	}

	for _, b := range []string{"b1", "unix:/run/b2.sock"} {
		ask(t, at, "PATCH", "/v1/pools/web/backends/"+url.PathEscape(b), `{"mode": "drain"}`)
	}
	force(nil)
	e = explain("listener=web&from=198.51.100.7")
	if got := e.Steps[len(e.Steps)-1]; where(e) != ": b1 no, unix:/run/b2.sock no" || got != "no backend: turned away by reset" {
		t.Errorf("drained: %s, %s", where(e), got)
	}

	for _, l := range f.table.Listeners {
		l.ACL = guard.NewACL(nil, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	}
	e = explain("listener=web&from=198.51.100.7")
	if got := strings.Join(e.Steps[1:], "; "); e.Pool != "" || got != "address lists: 198.51.100.0/24 is denied; turned away by reset" {
		t.Errorf("denied: pool %q, %s", e.Pool, got)
	}
	ask(t, at, "GET", "/v1/explain?listener=wep&from=1.2.3.4", "").refused(t, 404, "wep", "web")
	ask(t, at, "GET", "/v1/explain?listener=web&from=me", "").refused(t, 400, "from=me", "IP address")
	ask(t, at, "GET", "/v1/explain?listener=web&to=me", "").refused(t, 400, "to=me", "sni")
}
