package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sluice/balancer"
	"sluice/internal/sys"
)

// orders are what a child is to do.
type orders struct {
	Workers  int
	Relay    Relay
	Backends []string
	NoMeter  bool   // as on a kernel that does not meter TCP sockets
	MPTCP    bool   // the client speaks it, and the listener takes it
	Header   bool   // the listener wants a PROXY header
	Edge     bool   // and a ClientHello, and the backend gets a header
	Deny     bool   // the listener lets nobody in
	Fallback string // the listener's fallback file; "": none
	Most     int64  // connections of each backend at once, behind which a client waits; 0: any
	Unix     string // a path where it listens as well; "": none
	Book     int    // descriptor of the one before; 0: there was none
}

// childVar holds the orders of a test binary that is to be a child.
const childVar = "SLUICE_TEST_CHILD"

// child is the main function of one: it tells and is told lines of a word and JSON.
func child(text string) {
	var mutex sync.Mutex
	say := func(word string, what any) {
		data, err := json.Marshal(what)
		if err != nil {
			panic(err)
		}
		mutex.Lock()
		defer mutex.Unlock()
		fmt.Printf("%s %s\n", word, data)
	}
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if o.NoMeter {
		meter = func(int, int) syscall.Errno { return syscall.EOPNOTSUPP }
	}
	s, err := o.serve(func(r *Record) { say("record", r) })
	if err != nil {
		say("error", err.Error())
		return
	}
	say("ready", childReady{s.Bound("web")[0].TCP, s.BookFD()})
	for told := bufio.NewScanner(os.Stdin); told.Scan(); {
		switch word, rest, _ := strings.Cut(told.Text(), " "); word {
		case "begin":
			say("carried", s.Begin())
		case "stats":
			say("stats", s.Stats())
		case "save":
			say("saved", s.SaveBlob("blob", []byte(rest)))
		case "blob":
			past, err := OpenPast(s.BookFD())
			if err != nil {
				panic(err)
			}
			say("blob", string(past.Blob("blob")))
			past.Close()
		case "end":
			s.Shutdown(context.Background(), 0)
			say("ended", nil)
			return
		}
	}
}

type childReady struct {
	Address netip.AddrPort
	Book    int
}

// serve starts a child's Server.
func (o *orders) serve(record func(*Record)) (*Server, error) {
	options := Options{Workers: o.Workers, Keep: true, Record: record}
	if o.Book > 0 {
		var err error
		if options.Past, err = OpenPast(o.Book); err != nil {
			return nil, err
		}
		defer sys.Close(o.Book)
		defer options.Past.Close()
		came, err := Inherited()
		if err != nil {
			return nil, err
		}
		options.Inherited = slices.DeleteFunc(came, func(fd int) bool { return fd == o.Book })
	}
	s, err := New(options)
	if err != nil {
		return nil, err
	}
	return s, publish(s, o.change, o.Backends...)
}

// change has the first backend picked, and the others one after the other when it has
// failed.
func (o *orders) change(l *Listener, p *Pool) {
	l.Relay = o.Relay
	l.Reach.Multipath = o.MPTCP
	if o.Unix != "" {
		l.Bind = append(l.Bind, Address{Unix: o.Unix})
	}
	if o.Deny {
		l.ACL = deny("0.0.0.0/0")
	}
	if o.Fallback != "" {
		fallback(File{o.Fallback, "first"})(l, p)
	}
	if o.Most > 0 {
		p.Queue, p.QueueTimeout = 100, time.Minute
	}
	if o.Header || o.Edge {
		believing(ProxyRequired, "127.0.0.0/8")(l, p)
	}
	if o.Edge {
		l.Routes = NewRoutes([]Route{{SNI: []string{"a.example"}, Source: prefixes("192.0.2.0/24"), Pool: p}})
		l.Pool = Nowhere()
		p.SendProxy = SendV2
	}
	var tiers [][]balancer.Backend
	for i, b := range p.Backends {
		tiers = append(tiers, []balancer.Backend{{Name: b.Name, Weight: 1, Ref: i, Load: b.Load, MaxConnections: o.Most}})
	}
	var err error
	if p.Balancer, err = balancer.NewPool("round_robin", tiers...); err != nil {
		panic(err)
	}
}

// childStats are Stats of another process.
type childStats struct {
	Stats
	Closed map[string]uint64 // a map by Cause, whose keys are numbers in JSON
}
