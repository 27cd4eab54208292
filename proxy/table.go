package proxy

import (
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"sluice/balancer"
	"sluice/proxy/guard"
)

// Table is everything the workers know: compiled by control, immutable once
// published, and read through one atomic pointer.
type Table struct {
	Listeners []*Listener
	Pools     []*Pool
}

// Listener is where clients come in.
type Listener struct {
	Name string
	Bind []Address
	Pool *Pool // where a connection goes that no route takes; see Nowhere

	Routes         *Routes       `json:"-"` // nil: none
	Proxy          ProxyProtocol // whether PROXY headers are read
	ProxyFrom      *bart.Lite    `json:"-"` // who is believed; nil: nobody
	InspectTimeout time.Duration // to deliver a PROXY header or a ClientHello

	Relay            Relay
	Reject           Reject
	MaxConnections   int64         // 0: no limit of its own
	ACL              *guard.ACL    `json:"-"` // nil: everyone may come in
	Rate             guard.Rate    `json:"-"` // of all clients together
	PerSource        guard.Limits  `json:"-"` // of each source
	Fallback         File          // what a client gets for whom there is no backend; zero: nothing
	SourcePrefix     int           // bits of an IPv6 address that make a source
	IdleTimeout      time.Duration // no byte either way; 0: never
	MaxLifetime      time.Duration // from accept on; 0: no limit
	HalfCloseTimeout time.Duration // one side finished, the other silent; 0: never
	Backlog          int
	Reach            Reach
	Socket           SocketOptions
}

// Pool is where connections go.
type Pool struct {
	Name           string
	ConnectTimeout time.Duration
	MaxConnections int64         // 0: no limit of its own
	Queue          int           // how many may wait when every backend is full; 0: nobody
	QueueTimeout   time.Duration // for so long
	Retries        int           // other backends tried after a failed connect, 0 to balancer.MaxTried-1
	HashOn         HashOn
	Latency        bool // its backends are timed, for least_latency
	SendProxy      SendProxy
	From           From
	Socket         SocketOptions
	Backends       []*Backend     // every backend of the pool, also those not eligible
	Balancer       *balancer.Pool // over the eligible ones; Ref is the place in Backends

	*poolState // given by Publish
}

// Nowhere makes the pool of a listener that has none: its name is "", and it has no
// backend.
func Nowhere() *Pool {
	p := &Pool{}
	p.Balancer, _ = balancer.NewPool("round_robin") // of none: no fault is possible
	return p
}

// Backend is one place a connection can go, as the workers see it. Load is
// the identity: it stays the same object for as long as a backend of this
// pool, name and address exists.
type Backend struct {
	Name    string
	Address Address
	Load    *balancer.Load
}

// Address is where to listen or to connect: a TCP address or the path of a
// unix socket. Exactly one of the two is set.
type Address struct {
	TCP  netip.AddrPort
	Unix string

	// A socket that listens there already, of whoever started this process: its
	// name, and its descriptor (sd_listen_fds(3)). 0: none.
	Socket string
	FD     int
}

// String is the address as an operator writes it.
func (a Address) String() string {
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	return a.TCP.String()
}

// SocketOptions are set on every TCP socket of a listener or a pool.
type SocketOptions struct {
	NoDelay     bool
	Keepalive   Keepalive
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0: the kernel's default

	// Of sockets that listen.
	DeferAccept, FastOpen bool
}

// Keepalive is TCP keepalive; the zero value turns it off. Idle and Interval
// are rounded to whole seconds, at least one.
type Keepalive struct {
	Idle, Interval time.Duration
	Count          int
}

// Relay is how bytes are moved.
type Relay uint8

// The two relays.
const (
	Splice Relay = iota // kernel pipes; the payload never enters user space
	Copy                // read and write through a buffer
)

// Reject is what a client sees that cannot be served.
type Reject uint8

// The two ways to turn a client away.
const (
	RejectReset Reject = iota // RST
	RejectClose               // FIN
)

// HashOn is the key of source_hash and maglev.
type HashOn uint8

// The keys.
const (
	HashSource   HashOn = iota // the address it is from, without the port
	HashListener               // the listener's name
	HashSNI                    // the name in the ClientHello; without one, the source
)
