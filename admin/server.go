package admin

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/config"
	"sluice/proxy"
	"sluice/state"
)

// Data is the data plane.
type Data interface {
	Stats() proxy.Stats
	Bound(listener string) []proxy.Address
	MaxConnections() int
	Table() *proxy.Table // in force
	Listening() map[string]proxy.ListenerCount
	Conns() []proxy.Conn
	Guards(listener string, from netip.Addr) (steps []string, may bool)
	Kill(id proxy.ConnID, why proxy.Cause) bool
	LiveBytes() (listeners map[string]proxy.Moved, backends map[*proxy.Backend]proxy.Moved, ok bool)
	WorkerTimes() []proxy.WorkerTimes
	Latency(b *proxy.Backend) time.Duration // 0: not known
	Turns() uint64                          // of the workers, for clients
}

// Server answers operators. Prepare and what it returns belong to one goroutine
// at a time, the rest to anyone.
type Server struct {
	process Process
	data    Data
	config  func() *config.Config // in force
	store   *state.Store
	keep    *Keep
	log     *zap.Logger
	routes  *routes
	past    history
	meter   *metrics
	feed    *feed
	looking sync.Mutex // one question to all workers at a time

	settings atomic.Pointer[settings]
	doors    atomic.Pointer[map[place]*door]
	warned   place // that it could not be had has been said
}

// settings are what can change while the server runs.
type settings struct {
	token    string // "": none is asked for
	readOnly bool
	pprof    bool
}

// Options are what a server speaks for.
type Options struct {
	Process Process
	Data    Data
	Config  func() *config.Config // the configuration in force
	Store   *state.Store
	Keep    *Keep    // nil: overrides end with the process
	Tallies *Tallies // nil: none are taken
	Log     *zap.Logger
}

// New makes a server that listens nowhere yet.
func New(o Options) *Server {
	s := &Server{process: o.Process, data: o.Data, config: o.Config, store: o.Store, keep: o.Keep, log: o.Log}
	s.settings.Store(&settings{})
	s.doors.Store(&map[place]*door{})
	if o.Tallies == nil {
		o.Tallies = NewTallies()
	}
	s.meter = newMetrics(s, o.Tallies)
	s.feed = newFeed(s, o.Tallies)
	s.routes = s.newRoutes()
	return s
}

// Opening is what a configuration needs, opened, but not in force.
type Opening struct {
	server   *Server
	settings settings
	doors    map[place]*door // all that are wanted and can be had
	fresh    []*door         // those of them that are new
	taken    place           // the default address, if another program is there
	why      error           // it could not be had
}

// Prepare opens what c needs and is not open yet. On an error nothing has
// changed and nothing is left open. An address that nobody asked for may be
// taken: the server does without it until a later Prepare finds it free.
func (s *Server) Prepare(c config.Admin) (*Opening, error) {
	o := &Opening{server: s, doors: make(map[place]*door), settings: settings{readOnly: c.ReadOnly, pprof: c.Pprof}}
	var errs []error
	if c.TokenFile != "" {
		token, err := readToken(c.TokenFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("admin: token_file %s: %w", c.TokenFile, err))
		}
		o.settings.token = token
	}
	for _, at := range placesOf(c) {
		if err := o.open(at); err != nil {
			if at.path == "" && !c.Asked {
				o.taken, o.why = at, err
				continue
			}
			errs = append(errs, fmt.Errorf("admin: %w", err))
		}
	}
	if len(errs) > 0 {
		o.Drop()
		return nil, errors.Join(errs...)
	}
	return o, nil
}

func (o *Opening) open(at place) error {
	if d := (*o.server.doors.Load())[at]; d != nil && d.inPlace() {
		o.doors[at] = d
		return nil
	}
	d, err := openDoor(at)
	if err != nil {
		return err
	}
	o.doors[at] = d
	o.fresh = append(o.fresh, d)
	return nil
}

// Drop gives up what was opened.
func (o *Opening) Drop() {
	for _, d := range o.fresh {
		d.shut()
	}
	o.fresh = nil
}

// Commit puts it in force: new doors begin to answer, those that are no longer
// wanted are shut, and what they were answering is cut short. What it returns
// is why the default address could not be had, unless that has been said.
func (o *Opening) Commit() (missed error) {
	s := o.server
	s.settings.Store(&o.settings)
	before := *s.doors.Load()
	s.doors.Store(&o.doors)
	for at, d := range before {
		if o.doors[at] != d {
			d.shut()
		}
	}
	for _, d := range o.fresh {
		d.serve(s)
	}
	o.fresh = nil
	why := o.why
	if s.warned == o.taken {
		why = nil
	}
	s.warned = o.taken
	return why
}

// Close shuts every door. What was being answered is cut short.
func (s *Server) Close() {
	for _, d := range *s.doors.Swap(&map[place]*door{}) {
		d.shut()
	}
}

// Addresses are where the server listens, as clients write it.
func (s *Server) Addresses() []string {
	var all []string
	for _, at := range sortedPlaces(*s.doors.Load()) {
		all = append(all, (*s.doors.Load())[at].address())
	}
	return all
}

// readToken reads the secret that changes are asked with.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			return "", p.Err
		}
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < shortestToken {
		return "", fmt.Errorf("a token of %d characters can be guessed; it has at least %d", len(token), shortestToken)
	}
	return token, nil
}

// shortestToken holds 96 bits if it is random letters and digits.
const shortestToken = 16
