package admin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/balancer"
	"sluice/config"
	"sluice/control"
	"sluice/internal/testnet"
	"sluice/proxy"
	"sluice/state"
)

func TestMain(m *testing.M) { os.Exit(testnet.Main(m)) }

// fake is a Process and a Data made of fields.
type fake struct {
	about     About
	plan      control.Plan
	fault     error // of a reload or an upgrade
	history   []Handover
	reloads   int
	binary    string // of the last upgrade
	level     string
	conns     []proxy.Conn
	killed    []proxy.ConnID
	table     *proxy.Table
	paused    bool
	forgotten uint64
	live      []proxy.Moved
	latency   time.Duration
	server    *Server
	turns     atomic.Uint64 // of the workers
	asked     int           // how often for the bytes of live connections
}

func (f *fake) LogLevel() string { return f.level }

func (f *fake) LogLinesLost() uint64 { return 6 }

func (f *fake) LiveBytes() (map[string]proxy.Moved, map[*proxy.Backend]proxy.Moved, bool) {
	f.asked++
	if len(f.live) == 0 {
		return nil, nil, false
	}
	return map[string]proxy.Moved{"web": f.live[0]}, map[*proxy.Backend]proxy.Moved{f.Table().Pools[1].Backends[0]: f.live[0]}, true
}

func (f *fake) WorkerTimes() []proxy.WorkerTimes {
	return []proxy.WorkerTimes{{CPU: 2 * time.Second, Lag: time.Millisecond}, {}}
}

func (f *fake) Latency(*proxy.Backend) time.Duration { return f.latency }

func (f *fake) Turns() uint64 { return f.turns.Load() }

func (f *fake) SetLogLevel(level string) bool {
	if level == "loud" {
		return false
	}
	f.level = level
	return true
}

func (f *fake) Guards(listener string, from netip.Addr) (steps []string, may bool) {
	for _, l := range f.table.Listeners {
		if l.Name == listener && l.ACL != nil {
			may, why := l.ACL.Explain(from)
			return []string{"address lists: " + why}, may
		}
	}
	return nil, true
}

func (f *fake) Listening() map[string]proxy.ListenerCount {
	return map[string]proxy.ListenerCount{"web": {Active: 3, Paused: f.paused, Forgotten: f.forgotten}}
}

func (f *fake) Conns() []proxy.Conn { return slices.Clone(f.conns) }

func (f *fake) Kill(id proxy.ConnID, why proxy.Cause) bool {
	f.killed = append(f.killed, id)
	return why == proxy.Killed && slices.ContainsFunc(f.conns, func(c proxy.Conn) bool { return c.ID == id })
}

func (f *fake) About() About { return f.about }

func (f *fake) Reload(context.Context) (control.Plan, error) {
	f.reloads++
	return f.plan, f.fault
}

func (f *fake) Plan() ([]config.Difference, error) {
	return []config.Difference{{Key: "log.level", Before: "info", After: "debug"}}, f.fault
}

func (f *fake) Upgrade(binary string) (int, error) {
	f.binary = binary
	return 7, f.fault
}

func (f *fake) History() []Handover { return f.history }

func (f *fake) Stats() proxy.Stats {
	return proxy.Stats{
		Active: 3, Accepted: 9, Workers: []int{1, 2}, Closed: map[proxy.Cause]uint64{proxy.Completed: 5, proxy.Killed: 1},
		BytesUp: 100, BytesDown: 200, PipesOpen: 8, PipesInUse: 3,
	}
}

func (f *fake) Bound(string) []proxy.Address {
	return []proxy.Address{{TCP: netip.MustParseAddrPort("127.0.0.1:8080")}}
}

// Table has a pool web whose backends have one connection and two.
func (f *fake) Table() *proxy.Table {
	if f.table != nil {
		return f.table
	}
	web := &proxy.Pool{Name: "web"}
	for i, name := range []string{"b1", "unix:/run/b2.sock"} {
		b := &proxy.Backend{Name: name, Load: &balancer.Load{}}
		for range i + 1 {
			b.Load.Acquire(0)
		}
		web.Backends = append(web.Backends, b)
	}
	return &proxy.Table{Pools: []*proxy.Pool{web}}
}

func (f *fake) MaxConnections() int { return 100 }

// anyPort is loopback, with a port of the kernel's choice.
var anyPort = config.Address{TCP: netip.MustParseAddrPort("127.0.0.1:0")}

func newServer(t *testing.T, f *fake) *Server {
	t.Helper()
	cfg := &config.Config{Listeners: []config.Listener{{Name: "web", Pool: "web"}}}
	s := New(Options{Process: f, Data: f, Config: func() *config.Config { return cfg }, Store: state.New(), Log: zap.NewNop()})
	t.Cleanup(s.Close)
	return s
}

// open puts c in force.
func open(t *testing.T, s *Server, c config.Admin) (missed error) {
	t.Helper()
	o, err := s.Prepare(c)
	testnet.Must(t, "prepare", err)
	return o.Commit()
}

// serve is a server that answers as c says, and where.
func serve(t *testing.T, f *fake, c config.Admin) (s *Server, at string) {
	t.Helper()
	s = newServer(t, f)
	open(t, s, c)
	return s, s.Addresses()[0]
}

// get asks for something and takes the answer apart.
func get[T any](t *testing.T, at, path string) (got T) {
	t.Helper()
	a := ask(t, at, "GET", path, "")
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 {
		t.Fatalf("%s: %d %s, %v", path, a.status, a.body, err)
	}
	return got
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	testnet.Must(t, "write the token", os.WriteFile(path, []byte(token+"\n"), 0o600))
	return path
}

// asked is one request and its answer.
type asked struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to an address as Addresses gives it. change alters it
// before it is sent.
func ask(t *testing.T, at, method, path, body string, change ...func(*http.Request)) asked {
	t.Helper()
	q, err := http.NewRequest(method, "http://"+at+path, strings.NewReader(body))
	to := &http.Transport{DisableKeepAlives: true}
	defer to.CloseIdleConnections()
	if socket, ok := strings.CutPrefix(at, "unix:"); ok {
		q, err = http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
		to.DialContext = func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }
	}
	testnet.Must(t, "request", err)
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(q)
	}
	r, err := (&http.Client{Transport: to, Timeout: 20 * time.Second}).Do(q)
	testnet.Must(t, "answer", err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	testnet.Must(t, "body", err)
	return asked{r.StatusCode, r.Header, string(text)}
}

// with sets a header.
func with(name, value string) func(*http.Request) {
	return func(q *http.Request) {
		if name == "Host" {
			q.Host = value
			return
		}
		q.Header.Set(name, value)
	}
}

// refused checks that an answer says no, and what and what instead.
func (a asked) refused(t *testing.T, status int, what, instead string) {
	t.Helper()
	var r Refused
	if err := json.Unmarshal([]byte(a.body), &r); err != nil {
		t.Fatalf("%d, %q: %v", a.status, a.body, err)
	}
	if a.status != status || !strings.Contains(r.Error, what) || !strings.Contains(r.Instead, instead) {
		t.Errorf("got %d, %+v, want %d with %q, and %q instead", a.status, r, status, what, instead)
	}
}
