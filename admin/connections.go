package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sluice/proxy"
)

// Connections is the answer to GET /v1/connections: a page of those that match.
type Connections struct {
	Matching    int          `json:"matching"` // on all pages
	Offset      int          `json:"offset"`
	Connections []Connection `json:"connections"`
}

// Connection is a live connection.
type Connection struct {
	ID          string  `json:"id"`
	Listener    string  `json:"listener"`
	Pool        string  `json:"pool"`
	Backend     string  `json:"backend"` // "" until one is picked
	Client      string  `json:"client"`  // address and port, or unix; the one in a PROXY header, if there was one
	Peer        string  `json:"peer"`    // the other side of the client's socket
	SNI         string  `json:"sni"`     // the server name that the client asks for; "" if it was not looked at, or there is none
	Route       int     `json:"route"`   // the number of the route that took it, from 0; -1: none did
	Phase       string  `json:"phase"`   // inspecting, connecting, queued, relaying, breaking, fallback or lingering
	AgeSeconds  float64 `json:"age_seconds"`
	IdleSeconds float64 `json:"idle_seconds"`
	BytesUp     uint64  `json:"bytes_up"`
	BytesDown   uint64  `json:"bytes_down"`
	Retries     int     `json:"retries"`
	Relay       string  `json:"relay"`     // splice or copy
	Multipath   bool    `json:"multipath"` // the client speaks MPTCP
}

// The pages of a listing.
const (
	usualPage = 100
	mostPage  = 10_000
)

// orders are what a listing can be sorted by.
var orders = map[string]func(a, b *proxy.Conn) int{
	"age":        func(a, b *proxy.Conn) int { return cmp.Compare(a.Age, b.Age) },
	"idle":       func(a, b *proxy.Conn) int { return cmp.Compare(a.Idle, b.Idle) },
	"bytes":      func(a, b *proxy.Conn) int { return cmp.Compare(a.Up+a.Down, b.Up+b.Down) },
	"bytes_up":   func(a, b *proxy.Conn) int { return cmp.Compare(a.Up, b.Up) },
	"bytes_down": func(a, b *proxy.Conn) int { return cmp.Compare(a.Down, b.Down) },
	"client":     func(a, b *proxy.Conn) int { return a.Client.Compare(b.Client) },
}

// asking is which connections a request wants.
type asking struct {
	listener, pool, backend, phase, sni string
	client                              netip.Prefix
	order                               func(a, b *proxy.Conn) int
	descending                          bool
	limit, offset                       int
}

// askingOf reads the query of a request.
func askingOf(q url.Values) (a asking, err error) {
	a.order, a.descending, a.limit = orders["age"], true, usualPage
	for key := range q {
		switch v := q.Get(key); key {
		case "listener":
			a.listener = v
		case "pool":
			a.pool = v
		case "backend":
			a.backend = v
		case "phase":
			a.phase = v
		case "sni":
			a.sni = strings.TrimSuffix(strings.ToLower(v), ".")
		case "client":
			a.client, err = prefixOf(v)
		case "sort":
			name := strings.TrimPrefix(v, "-")
			a.descending = name != v
			if a.order = orders[name]; a.order == nil {
				err = badQuery(key, v, "age, idle, bytes, bytes_up, bytes_down or client, with a - in front for the largest first")
			}
		case "limit":
			a.limit, err = number(key, v, 1, mostPage)
		case "offset":
			a.offset, err = number(key, v, 0, 1<<30)
		default:
			err = badQuery(key, v, "listener, pool, backend, client, phase, sni, sort, limit, offset")
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

func badQuery(key, v, instead string) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf("%s=%s cannot be understood", clip(key), clip(v)), "use " + instead}
}

func number(key, v string, least, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, badQuery(key, v, fmt.Sprintf("a number from %d to %d", least, most))
	}
	return n, nil
}

func prefixOf(v string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(v); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return p, badQuery("client", v, "an address or a network such as 10.0.0.0/8")
	}
	return p.Masked(), nil
}

func (a *asking) wants(c *proxy.Conn) bool {
	backend := ""
	if c.Backend != nil {
		backend = c.Backend.Name
	}
	is := func(want, got string) bool { return want == "" || want == got }
	return is(a.listener, c.Listener.Name) && is(a.pool, c.Pool.Name) && is(a.backend, backend) && is(a.phase, c.Phase) && is(a.sni, c.SNI) &&
		(!a.client.IsValid() || a.client.Contains(c.Client.Addr()))
}

func (s *Server) listConnections(w http.ResponseWriter, q *http.Request) error {
	a, err := askingOf(q.URL.Query())
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(s.conns(), func(c proxy.Conn) bool { return !a.wants(&c) })
	slices.SortStableFunc(all, func(x, y proxy.Conn) int {
		if a.descending {
			return a.order(&y, &x)
		}
		return a.order(&x, &y)
	})
	page := Connections{Matching: len(all), Offset: a.offset, Connections: []Connection{}}
	from := min(a.offset, len(all))
	for _, c := range all[from:min(from+a.limit, len(all))] {
		page.Connections = append(page.Connections, connectionOf(&c))
	}
	answer(w, http.StatusOK, page)
	return nil
}

// conns asks the workers, for one request at a time.
func (s *Server) conns() []proxy.Conn {
	s.looking.Lock()
	defer s.looking.Unlock()
	return s.data.Conns()
}

func connectionOf(c *proxy.Conn) Connection {
	v := Connection{
		ID: c.ID.String(), Listener: c.Listener.Name, Pool: c.Pool.Name, Client: clientName(c.Client), Peer: clientName(c.Peer), SNI: c.SNI, Route: c.Route, Phase: c.Phase,
		AgeSeconds: c.Age.Seconds(), IdleSeconds: c.Idle.Seconds(),
		BytesUp: c.Up, BytesDown: c.Down, Retries: c.Retries, Relay: "splice", Multipath: c.Multipath,
	}
	if c.Backend != nil {
		v.Backend = c.Backend.Name
	}
	if c.Copied {
		v.Relay = "copy"
	}
	return v
}

func clientName(a netip.AddrPort) string {
	if !a.IsValid() {
		return "unix"
	}
	return a.String()
}

// KilledConnection is the answer to DELETE /v1/connections/{id}.
type KilledConnection struct {
	Killed string `json:"killed"` // its ID
}

func (s *Server) killConnection(w http.ResponseWriter, q *http.Request) error {
	id, err := proxy.ParseConnID(q.PathValue("id"))
	if err != nil {
		return &refusal{http.StatusBadRequest, clip(err.Error()), "use an id of GET /v1/connections"}
	}
	if !s.data.Kill(id, proxy.Killed) {
		return &refusal{http.StatusNotFound, "connection " + id.String() + " is not there any more", "use an id of GET /v1/connections"}
	}
	answer(w, http.StatusOK, KilledConnection{id.String()})
	return nil
}
