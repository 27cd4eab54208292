package admin

import (
	_ "embed"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// needs says what a route asks of the one who calls it.
type needs uint8

const (
	nothing needs = iota // it answers anyone who reaches the door
	change               // it changes the balancer
	inside               // it looks into the process
	program              // it makes the balancer run a program that the caller names
)

// route is one thing that can be asked.
type route struct {
	method, path string
	needs        needs
	do           func(*Server, http.ResponseWriter, *http.Request) error

	// What openapi.json says of it.
	doc   string
	query []param
	takes any // a value of the body's type; nil: there is none
	gives any // a value of the answer's type; a string is the type of another content
	says  int // the status of that answer; 0: 200
	tells []event
}

// event is one kind of what a stream tells.
type event struct {
	name string
	data any // a value of its type
}

// param is a key of the query.
type param struct{ name, doc string }

// theRoutes is all of them.
var theRoutes = []route{
	{method: "GET", path: "/livez", do: (*Server).livez, gives: Health{},
		doc: "200 as long as the process answers"},
	{method: "GET", path: "/readyz", do: (*Server).readyz, gives: Health{},
		doc: "200 when new clients may be sent here, else 503 and why"},
	{method: "GET", path: "/metrics", do: (*Server).metrics, gives: "text/plain",
		doc: "metrics for Prometheus"},
	{method: "GET", path: "/debug/pprof/", needs: inside, do: (*Server).profiles, gives: "application/octet-stream",
		doc: "the profiles of Go's net/http/pprof, if admin.pprof is set"},
	{method: "GET", path: "/v1/openapi.json", do: (*Server).openAPI, gives: "application/json",
		doc: "this description"},
	{method: "GET", path: "/v1/status", do: (*Server).status, gives: Status{},
		doc: "what the process is and does"},
	{method: "GET", path: "/v1/listeners", do: (*Server).listListeners, gives: Listeners{},
		doc: "the listeners"},
	{method: "GET", path: "/v1/pools", do: (*Server).listPools, gives: Pools{},
		doc: "the pools, and where each backend stands"},
	{method: "GET", path: "/v1/pools/{pool}", do: (*Server).showPool, gives: Pool{},
		doc: "one pool"},
	{method: "GET", path: "/v1/pools/{pool}/backends/{backend}", do: (*Server).showBackend, gives: Backend{},
		doc: "one backend"},
	{method: "PATCH", path: "/v1/pools/{pool}/backends/{backend}", needs: change, do: (*Server).orderBackend, takes: Order{}, gives: Ordered{},
		doc: "gives an order about a backend: drain, maint, ready, weight"},
	{method: "GET", path: "/v1/connections", do: (*Server).listConnections, gives: Connections{},
		doc: "live connections",
		query: []param{
			{"listener", "only those of a listener"}, {"pool", "only those of a pool"}, {"backend", "only those to a backend"},
			{"client", "only those from an address or a network"}, {"phase", "only those that are inspecting, connecting, queued, relaying, breaking, fallback or lingering"},
			{"sni", "only those that ask for a server name"},
			{"sort", "age, idle, bytes, bytes_up, bytes_down or client, a - in front for the largest first; -age unless given"},
			{"limit", "how many, 1 to 10000; 100 unless given"}, {"offset", "how many to pass over"},
		}},
	{method: "DELETE", path: "/v1/connections/{id}", needs: change, do: (*Server).killConnection, gives: KilledConnection{},
		doc: "resets a connection, on both sides"},
	{method: "GET", path: "/v1/history", do: (*Server).showHistory, gives: Transitions{},
		doc: "the latest transitions of backends, the newest first",
		query: []param{
			{"pool", "only those of a pool"}, {"backend", "only those of a backend"}, {"limit", "how many, 1 to 500; 100 unless given"},
		}},
	{method: "GET", path: "/v1/events", do: (*Server).events, gives: "text/event-stream",
		doc:   "how everything is, and then each second what has changed, as server-sent events",
		tells: []event{{eventSnapshot, Snapshot{}}, {eventTick, Tick{}}, {eventTransition, Transition{}}}},
	{method: "GET", path: "/v1/explain", do: (*Server).explain, gives: Explanation{},
		doc: "what a connection would meet",
		query: []param{
			{"listener", "where it would come in"}, {"from", "the client's IP address"}, {"sni", "the server name it would ask for"},
			{"alpn", "the protocols it would offer, such as h2,http/1.1"},
		}},
	{method: "GET", path: "/v1/config", do: (*Server).showConfig, gives: map[string]any{},
		doc: "the configuration in force, every default filled in, secrets hidden"},
	{method: "GET", path: "/v1/log-level", do: (*Server).showLogLevel, gives: LogLevel{},
		doc: "how much is logged"},
	{method: "PUT", path: "/v1/log-level", needs: change, do: (*Server).setLogLevel, takes: LogLevel{}, gives: LogLevel{},
		doc: "changes it until the next reload"},
	{method: "GET", path: "/v1/plan", do: (*Server).plan, gives: Planned{},
		doc: "what a reload would change"},
	{method: "POST", path: "/v1/reload", needs: change, do: (*Server).reload, gives: Reloaded{},
		doc: "puts the file in force, all of it or nothing"},
	{method: "POST", path: "/v1/upgrade", needs: program, do: (*Server).upgrade, takes: UpgradeOrder{}, gives: Upgrading{}, says: http.StatusAccepted,
		doc: "begins to replace the running program, connections and all"},
}

// routes finds the route of a request.
type routes struct {
	mux     *http.ServeMux
	methods map[string][]string // by path
}

type whenceKey struct{}

func (s *Server) newRoutes() *routes {
	r := &routes{mux: http.NewServeMux(), methods: make(map[string][]string)}
	for _, rt := range theRoutes {
		r.methods[rt.path] = append(r.methods[rt.path], rt.method)
		r.mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, q *http.Request) {
			d := q.Context().Value(whenceKey{}).(*door)
			if err := s.allow(d, rt.needs, q); err != nil {
				refuse(w, err)
				return
			}
			if rt.needs == change || rt.needs == program {
				s.logAsked(d, q)
			}
			if err := rt.do(s, w, q); err != nil {
				refuse(w, err)
			}
		})
	}
	for path, methods := range r.methods {
		r.mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			refuse(w, &refusal{http.StatusMethodNotAllowed, q.Method + " is not what " + q.URL.Path + " takes", "use " + strings.Join(methods, " or ")})
		})
	}
	for path := range thePage {
		at := path
		if at == "/" {
			at = "/{$}"
		}
		r.mux.HandleFunc("GET "+at, func(w http.ResponseWriter, q *http.Request) {
			if err := s.page(thePage[path], w, q); err != nil {
				refuse(w, err)
			}
		})
	}
	r.mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		refuse(w, &refusal{http.StatusNotFound, "there is nothing at " + clip(q.URL.Path), "there is " + strings.Join(slices.Sorted(maps.Keys(r.methods)), ", ")})
	})
	return r
}

// clip keeps what a caller wrote to a length that can be read.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

//go:embed openapi.json
var openAPIText []byte

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPIText)
	return nil
}
